//! A client of Server-Sent Events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use super::{App, WAIT_LIMIT};

/// An event of a stream.
#[derive(Debug, Clone)]
pub struct Event {
    /// Empty for an id alone.
    pub name: String,
    pub data: Value,
    /// The id after this event.
    pub last_id: String,
    pub received: Instant,
}

/// An open stream, read by a thread of its own. Dropping it closes the connection.
pub struct EventStream {
    socket: TcpStream,
    events: mpsc::Receiver<Event>,
    last_id: String,
}

/// Sends the request, and reads the head of the response and nothing else.
pub fn open_unread(app: &App, query: &str, headers: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(app.address()).unwrap();
    let request = format!("GET /v1/stream{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (socket, String::from_utf8(head).unwrap().to_ascii_lowercase())
}

impl EventStream {
    pub fn open(app: &App, query: &str) -> Self {
        Self::open_with(app, query, "")
    }

    /// Continues after the event with the id `last_id`.
    pub fn resume(app: &App, query: &str, last_id: &str) -> Self {
        Self::open_with(app, query, &format!("Last-Event-ID: {last_id}\r\n"))
    }

    pub fn open_as(app: &App, query: &str, token: &str) -> Self {
        Self::open_with(app, query, &format!("Authorization: Bearer {token}\r\n"))
    }

    fn open_with(app: &App, query: &str, headers: &str) -> Self {
        let (socket, head) = open_unread(app, query, headers);
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        let (sender, events) = mpsc::channel();
        let body = BufReader::new(Chunked::new(socket.try_clone().unwrap()));
        std::thread::spawn(move || read_events(body, &sender));
        Self { socket, events, last_id: String::new() }
    }

    /// The next event, whatever it is; `None` when the stream has ended.
    pub fn next(&mut self) -> Option<Event> {
        let event = match self.events.recv_timeout(WAIT_LIMIT) {
            Ok(event) => event,
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no event within {WAIT_LIMIT:?}"),
        };
        self.last_id.clone_from(&event.last_id);
        Some(event)
    }

    /// The next event of that name for which `is_wanted` holds.
    pub fn wait_for(&mut self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name && is_wanted(&event.data) {
                return event;
            }
        }
    }

    /// The next `state` of the service with this state.
    pub fn wait_for_state(&mut self, id: i64, state: &str) -> Event {
        self.wait_for("state", |data| data["id"] == id && data["state"] == state)
    }

    /// Reads until the stream has ended.
    pub fn wait_for_end(&mut self) {
        while self.next().is_some() {}
    }

    /// The id of the newest event that was returned.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // An error means that it is closed.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn read_events(body: impl BufRead, events: &mpsc::Sender<Event>) {
    let (mut name, mut data, mut last_id) = (String::new(), Value::Null, String::new());
    for line in body.lines().map_while(Result::ok) {
        if let Some((field, value)) = line.split_once(": ") {
            match field {
                "event" => name = value.to_owned(),
                "data" => data = serde_json::from_str(value).unwrap(),
                "id" => last_id = value.to_owned(),
                _ => {}
            }
        } else if line.is_empty() {
            let event = Event {
                name: std::mem::take(&mut name),
                data: data.take(),
                last_id: last_id.clone(),
                received: Instant::now(),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    }
}

/// Reads a chunked body.
struct Chunked {
    socket: BufReader<TcpStream>,
    /// Of the current chunk.
    left: u64,
    is_first: bool,
}

impl Chunked {
    fn new(socket: TcpStream) -> Self {
        Self { socket: BufReader::new(socket), left: 0, is_first: true }
    }
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            if !std::mem::take(&mut self.is_first) {
                self.socket.read_line(&mut line)?;
                line.clear();
            }
            self.socket.read_line(&mut line)?;
            self.left = u64::from_str_radix(line.trim(), 16).unwrap_or_default();
        }
        let read = (&mut self.socket).take(self.left).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}
