//! A proxy in front of a PostgreSQL server, which cuts connections behind a commit.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use super::{Database, Peer, wait_until};

/// Forwards the connections of one program to the database, and knows its commits: a *fence* is the
/// statement that every transaction of an instance begins with, and the transaction ends with the
/// server's message that it is idle.
pub struct PostgresProxy {
    peer: Peer,
    database: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// The answer to the next commit is withheld, and its connection is closed.
    CutsOne,
    /// The same, and the other connections are closed, too; new ones are refused.
    CutsAll,
    Closed,
}

struct State {
    mode: Mode,
    connections: Vec<TcpStream>,
}

impl PostgresProxy {
    pub fn start(database: &Database) -> Self {
        let cluster = database.cluster();
        let socket = cluster.folder().join(format!(".s.PGSQL.{}", cluster.port()));
        let state = Arc::new(Mutex::new(State { mode: Mode::Open, connections: Vec::new() }));
        let shared = Arc::clone(&state);
        let peer = Peer::start(move |client| serve(client, &socket, &shared));
        Self { peer, database: database.name().to_owned(), state }
    }

    /// A value of `DATABASE_URL` for this user, who needs no password.
    pub fn url(&self, user: &str) -> String {
        let (port, database) = (self.peer.port(), &self.database);
        format!("postgres://{user}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// Lets the next commit through, and closes its connection before the answer.
    pub fn cut_an_answer(&self) {
        self.set(Mode::CutsOne);
        wait_until("an answer to be cut", || self.mode() == Mode::Open);
    }

    /// As [`cut_an_answer`](Self::cut_an_answer), and cuts the program off until
    /// [`reopen`](Self::reopen).
    pub fn cut_off(&self) {
        self.set(Mode::CutsAll);
        wait_until("the program to be cut off", || self.mode() == Mode::Closed);
    }

    pub fn reopen(&self) {
        self.set(Mode::Open);
    }

    fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    fn mode(&self) -> Mode {
        self.state.lock().unwrap().mode
    }
}

impl State {
    /// A commit is stored, and its answer is here. Whether it is withheld, with its connection.
    fn cuts(&mut self) -> bool {
        let mode = self.mode;
        match mode {
            Mode::Open => return false,
            Mode::CutsOne => self.mode = Mode::Open,
            Mode::CutsAll | Mode::Closed => {
                self.mode = Mode::Closed;
                self.connections.drain(..).for_each(|connection| close(&connection));
            }
        }
        true
    }
}

fn close(connection: &TcpStream) {
    // An error means that it is closed already.
    let _ = connection.shutdown(Shutdown::Both);
}

fn serve(client: TcpStream, socket: &PathBuf, state: &Arc<Mutex<State>>) -> io::Result<()> {
    {
        let mut state = state.lock().unwrap();
        if state.mode == Mode::Closed {
            return Ok(());
        }
        state.connections.push(client.try_clone()?);
    }
    client.set_read_timeout(None)?;
    client.set_nodelay(true)?;
    let server = UnixStream::connect(socket)?;
    let is_behind_fence = Arc::new(Mutex::new(false));
    let (mut answers, out) = (server.try_clone()?, client.try_clone()?);
    let (fence, state) = (Arc::clone(&is_behind_fence), Arc::clone(state));
    thread::spawn(move || {
        // Either end may close the connection at any time.
        let _ = forward_answers(&mut answers, &out, &fence, &state);
        close(&out);
    });
    let forwarded = forward_requests(&client, &server, &is_behind_fence);
    let _ = server.shutdown(Shutdown::Both);
    forwarded
}

fn forward_requests(
    mut client: &TcpStream,
    mut server: &UnixStream,
    is_behind_fence: &Mutex<bool>,
) -> io::Result<()> {
    // The first message has no type.
    let mut start = read_body(&mut client, Vec::new())?;
    server.write_all(&start)?;
    let mut fences = HashSet::new();
    loop {
        start.resize(1, 0);
        client.read_exact(&mut start)?;
        let message = read_body(&mut client, std::mem::take(&mut start))?;
        let mut texts = message[5..].split(|byte| *byte == 0);
        let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
        match message[0] {
            // Parse: name and text of the statement.
            b'P' => {
                let (name, text) = (text(), text().replace('"', ""));
                if text.contains("UPDATE instances SET commit_no") {
                    fences.insert(name);
                }
            }
            // Bind: names of the portal and of the statement.
            b'B' if {
                text();
                fences.contains(&text())
            } =>
            {
                *is_behind_fence.lock().unwrap() = true;
            }
            _ => {}
        }
        server.write_all(&message)?;
    }
}

fn forward_answers(
    server: &mut UnixStream,
    mut client: &TcpStream,
    is_behind_fence: &Mutex<bool>,
    state: &Mutex<State>,
) -> io::Result<()> {
    let mut held = Vec::new();
    let mut has_failed = false;
    loop {
        let mut start = vec![0];
        server.read_exact(&mut start)?;
        let message = read_body(server, start)?;
        held.extend_from_slice(&message);
        let mut fence = is_behind_fence.lock().unwrap();
        match (message[0], *fence) {
            // Ready for queries, and idle: the transaction has ended.
            (b'Z', true) if message[5] == b'I' => {
                let is_stored = !has_failed && !held.starts_with(b"C\0\0\0\rROLLBACK\0");
                (*fence, has_failed) = (false, false);
                if is_stored && state.lock().unwrap().cuts() {
                    return Ok(());
                }
            }
            (b'Z', true) => {}
            (kind, true) => {
                has_failed |= kind == b'E';
                continue;
            }
            (_, false) => {}
        }
        drop(fence);
        client.write_all(&held)?;
        held.clear();
    }
}

/// Reads the length, which contains itself, and what follows it, behind `start`.
fn read_body(from: &mut impl Read, start: Vec<u8>) -> io::Result<Vec<u8>> {
    let (mut message, at) = (start, 4);
    let begin = message.len();
    message.resize(begin + at, 0);
    from.read_exact(&mut message[begin..])?;
    let length = u32::from_be_bytes(message[begin..].try_into().unwrap()) as usize;
    message.resize(begin + length, 0);
    from.read_exact(&mut message[begin + at..])?;
    Ok(message)
}
