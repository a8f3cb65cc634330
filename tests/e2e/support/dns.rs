//! A name server with scripted answers, over UDP and TCP on one port.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::wire::Peer;

/// An answer of a name server.
#[derive(Debug, Clone)]
pub enum Answer {
    Records(Vec<RData>),
    /// The records after a delay.
    After(Duration, Vec<RData>),
    /// One of the lists per query, in turn.
    InTurn(Vec<Vec<RData>>),
    /// An error, `NXDomain` for example.
    Fails(ResponseCode),
    /// No answer.
    Silence,
    /// Truncated over UDP, and the records over TCP.
    Cut(Vec<RData>),
    /// The records to a question without EDNS; to one with EDNS, `rejection`.
    WithoutEdns {
        rejection: Rejection,
        records: Vec<RData>,
    },
    /// First `forged` with another id, and then `records`.
    ForgedFirst {
        forged: Vec<RData>,
        records: Vec<RData>,
    },
}

/// What a server does that does not understand EDNS.
#[derive(Debug, Clone, Copy)]
pub enum Rejection {
    /// An error that repeats the question.
    Code(ResponseCode),
    /// The header of an error alone.
    Header(ResponseCode),
    Silence,
}

impl Answer {
    pub fn address(address: &str) -> Self {
        Self::Records(vec![record_of(address)])
    }

    /// One of the addresses per query, in turn.
    pub fn addresses_in_turn(addresses: &[&str]) -> Self {
        Self::InTurn(addresses.iter().map(|address| vec![record_of(address)]).collect())
    }
}

/// The data of an A or AAAA record.
pub fn record_of(address: &str) -> RData {
    match address.parse().unwrap() {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

/// The data of an MX record.
pub fn mail_server(preference: u16, name: &str) -> RData {
    RData::MX(MX::new(preference, Name::from_ascii(name).unwrap()))
}

/// The data of a TXT record.
pub fn text_record(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

/// Answer and number of queries for each name and type.
type Script = HashMap<(String, RecordType), (Answer, usize)>;

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// The answer to every query instead of the script.
    failing: Mutex<Option<Answer>>,
    queries: AtomicUsize,
    over_tcp: AtomicUsize,
    closed: AtomicBool,
}

/// A name server on 127.0.0.1, stopped on drop. A name with an answer for one type has no records
/// of other types; any other name does not exist.
pub struct NameServer {
    shared: Arc<Shared>,
    tcp: Peer,
}

impl NameServer {
    /// Starts a server without answers.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (tcp, udp) = one_port_for_both(&shared);
        Self::serve(shared, tcp, udp)
    }

    /// The same, on this address and port.
    pub fn start_at(address: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let listener = TcpListener::bind(address).unwrap();
        let tcp = Peer::at(listener, move |connection| serving.serve_tcp(connection));
        Self::serve(shared, tcp, UdpSocket::bind(address).unwrap())
    }

    fn serve(shared: Arc<Shared>, tcp: Peer, udp: UdpSocket) -> Self {
        udp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut room = [0; 4_096];
            while !serving.closed.load(Ordering::SeqCst) {
                // A timeout, or an ICMP error about an earlier answer.
                let Ok((length, from)) = udp.recv_from(&mut room) else { continue };
                let (question, udp) = (room[..length].to_vec(), udp.try_clone().unwrap());
                let serving = Arc::clone(&serving);
                // A delayed answer must not delay the next one.
                std::thread::spawn(move || {
                    for packet in serving.answers(&question, false) {
                        let _ = udp.send_to(&packet, from);
                    }
                });
            }
        });
        Self { shared, tcp }
    }

    /// Answers queries for records of `name` of type `kind` from now on.
    pub fn set_answer(&self, name: &str, kind: RecordType, answer: Answer) {
        self.shared.script.lock().unwrap().insert((name.to_owned(), kind), (answer, 0));
    }

    /// Number of queries for `name` and `kind` since the last [`Self::set_answer`].
    pub fn query_count(&self, name: &str, kind: RecordType) -> usize {
        let script = self.shared.script.lock().unwrap();
        script.get(&(name.to_owned(), kind)).map_or(0, |(_, queries)| *queries)
    }

    /// Answers every query with `answer` from now on; by the script again with `None`.
    pub fn fail_all(&self, answer: Option<Answer>) {
        *self.shared.failing.lock().unwrap() = answer;
    }

    /// Number of all queries.
    pub fn total_query_count(&self) -> usize {
        self.shared.queries.load(Ordering::SeqCst)
    }

    pub fn tcp_query_count(&self) -> usize {
        self.shared.over_tcp.load(Ordering::SeqCst)
    }

    /// The address in the form of the option `resolver`.
    pub fn resolver_url(&self) -> String {
        format!("udp://{}", self.address())
    }

    /// The URL as a target.
    pub fn url(&self) -> String {
        format!("dns://{}", self.address())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.tcp.port())
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
    }
}

/// A port that is free for TCP may be taken for UDP, so several attempts can be necessary.
fn one_port_for_both(shared: &Arc<Shared>) -> (Peer, UdpSocket) {
    for _ in 0..100 {
        let serving = Arc::clone(shared);
        let tcp = Peer::start(move |connection| serving.serve_tcp(connection));
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", tcp.port())) {
            return (tcp, udp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

impl Shared {
    /// Messages over TCP have a length prefix (RFC 1035, section 4.2.2).
    fn serve_tcp(&self, mut connection: TcpStream) -> io::Result<()> {
        loop {
            let mut length = [0; 2];
            connection.read_exact(&mut length)?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            connection.read_exact(&mut question)?;
            self.over_tcp.fetch_add(1, Ordering::SeqCst);
            for packet in self.answers(&question, true) {
                let length = (packet.len() as u16).to_be_bytes();
                connection.write_all(&[&length[..], &packet].concat())?;
            }
        }
    }

    /// The packets that answer the query in `packet`, after the delay of the answer.
    fn answers(&self, packet: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
        let Ok(question) = Message::from_vec(packet) else { return Vec::new() };
        let Some(query) = question.queries.first() else { return Vec::new() };
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let whole = |records: Vec<RData>| written(reply(&question, records));
        self.queries.fetch_add(1, Ordering::SeqCst);
        let failing = self.failing.lock().unwrap().clone();
        match failing.unwrap_or_else(|| self.next(&name, query.query_type())) {
            Answer::Records(records) => vec![whole(records)],
            Answer::After(wait, records) => {
                std::thread::sleep(wait);
                vec![whole(records)]
            }
            Answer::InTurn(mut turns) => vec![whole(turns.remove(0))],
            Answer::Fails(code) => {
                let mut reply = reply(&question, Vec::new());
                reply.metadata.response_code = code;
                vec![written(reply)]
            }
            Answer::Silence => Vec::new(),
            Answer::Cut(records) if over_tcp => vec![whole(records)],
            Answer::Cut(_) => {
                let mut reply = reply(&question, Vec::new());
                reply.metadata.truncation = true;
                vec![written(reply)]
            }
            Answer::WithoutEdns { records, .. } if question.edns.is_none() => vec![whole(records)],
            Answer::WithoutEdns { rejection, .. } => {
                let mut reply = reply(&question, Vec::new());
                match rejection {
                    Rejection::Silence => return Vec::new(),
                    Rejection::Code(code) => {
                        // An extended code needs the OPT record.
                        reply.edns = reply.edns.filter(|_| code.high() > 0);
                        reply.metadata.response_code = code;
                    }
                    Rejection::Header(code) => {
                        reply.edns = None;
                        reply.metadata.response_code = code;
                        reply.queries.clear();
                    }
                }
                vec![written(reply)]
            }
            Answer::ForgedFirst { forged, records } => {
                let mut first = reply(&question, forged);
                first.metadata.id = first.metadata.id.wrapping_add(1);
                vec![written(first), whole(records)]
            }
        }
    }

    /// The current answer; of answers in turn, the next one is first.
    fn next(&self, name: &str, kind: RecordType) -> Answer {
        let mut script = self.script.lock().unwrap();
        if let Some((answer, queries)) = script.get_mut(&(name.to_owned(), kind)) {
            let mut answer = answer.clone();
            if let Answer::InTurn(turns) = &mut answer {
                let length = turns.len();
                turns.rotate_left(*queries % length);
            }
            *queries += 1;
            return answer;
        }
        if script.keys().any(|(known, _)| known == name) {
            return Answer::Records(Vec::new());
        }
        Answer::Fails(ResponseCode::NXDomain)
    }
}

fn reply(question: &Message, records: Vec<RData>) -> Message {
    let mut reply = question.clone().into_response();
    reply.metadata.recursion_available = true;
    let name = question.queries[0].name().clone();
    reply.add_answers(records.into_iter().map(|data| Record::from_rdata(name.clone(), 60, data)));
    reply
}

fn written(message: Message) -> Vec<u8> {
    message.to_vec().unwrap()
}
