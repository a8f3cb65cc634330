//! A question, with EDNS (RFC 6891) and without, and the exchange with a name server.

use std::io;
use std::net::SocketAddr;

use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::service::dns_question::RecordKind;
use crate::domain::{Failure, Reason};
use crate::probe::protocols::datagram;

/// Longest response over UDP, in bytes: fits without fragmentation (DNS Flag Day 2020).
const PAYLOAD_MAX: u16 = 1_232;

/// The number of the response code (RFC 6891, section 9).
const BADVERS: u16 = 16;

/// The two forms of a question. Their ids differ, so a response shows which one it answers.
pub struct Question {
    with_edns: Form,
    plain: Form,
}

struct Form {
    message: Message,
    packet: Vec<u8>,
}

/// The reply of a server.
#[derive(Debug, PartialEq)]
enum Reply {
    Answer {
        message: Box<Message>,
        /// The response to the question with EDNS.
        to_edns: bool,
    },
    /// The server does not understand EDNS (RFC 6891, section 7).
    EdnsRejected,
}

impl Question {
    /// A question for the records of `name` of type `kind`, with random ids.
    /// Without `recursion`, the server answers by what it has.
    pub fn new(name: &str, kind: RecordKind, recursion: bool) -> Result<Self, String> {
        // Label by label, since names of reverse zones may contain a slash (RFC 2317).
        let labels = name.split('.').filter(|label| !label.is_empty());
        let mut fqdn = Name::from_labels(labels.map(str::as_bytes))
            .map_err(|error| format!("{name:?} is not a valid name: {error}"))?;
        fqdn.set_fqdn(true);
        let mut plain = Message::query();
        plain.metadata.recursion_desired = recursion;
        plain.add_query(Query::query(fqdn, RecordType::from(kind.number())));
        let mut with_edns = plain.clone();
        with_edns.metadata.id = plain.metadata.id.wrapping_add(1);
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_MAX);
        with_edns.set_edns(edns);
        Ok(Self { with_edns: Form::new(with_edns)?, plain: Form::new(plain)? })
    }

    /// Queries the servers in turn. A server that does not understand EDNS is queried again without
    /// it; every second repetition is without it, since some servers and firewalls drop what they
    /// do not understand.
    pub async fn ask(&self, servers: &[SocketAddr]) -> Result<(SocketAddr, Message), Failure> {
        let packet =
            |attempt: u16| if attempt.is_multiple_of(2) { &self.with_edns } else { &self.plain };
        let (server, reply) = datagram::query_any(
            servers,
            datagram::udp_socket,
            |attempt| Ok(packet(attempt.number).packet.clone()),
            |_, received| self.parse(received),
        )
        .await?;
        let (server, reply) = match reply {
            Reply::EdnsRejected => {
                let position = servers.iter().position(|known| *known == server).unwrap_or(0);
                datagram::query_any(
                    &servers[position..],
                    datagram::udp_socket,
                    |_| Ok(self.plain.packet.clone()),
                    |_, received| self.parse(received),
                )
                .await?
            }
            answer => (server, answer),
        };
        let Reply::Answer { message, to_edns } = reply else { return Err(foreign_reply()) };
        if !message.metadata.truncation {
            return Ok((server, *message));
        }
        let form = if to_edns { &self.with_edns } else { &self.plain };
        let reply = match self.query_over_tcp(server, form).await? {
            Reply::EdnsRejected => self.query_over_tcp(server, &self.plain).await?,
            answer => answer,
        };
        match reply {
            Reply::Answer { message, .. } => Ok((server, *message)),
            Reply::EdnsRejected => Err(foreign_reply()),
        }
    }

    /// The reply in `packet`; `None` for a response to another question (late or forged).
    fn parse(&self, packet: &[u8]) -> Result<Option<Reply>, Failure> {
        if self.with_edns.is_rejected_in(packet) {
            return Ok(Some(Reply::EdnsRejected));
        }
        for (form, to_edns) in [(&self.with_edns, true), (&self.plain, false)] {
            if let Some(message) = form.response_in(packet)? {
                return Ok(Some(Reply::Answer { message: Box::new(message), to_edns }));
            }
        }
        Ok(None)
    }

    /// Queries the server at the other end of `stream`, without EDNS: over TCP, a response has
    /// room for all records.
    pub async fn ask_over(
        &self,
        server: SocketAddr,
        stream: TcpStream,
    ) -> Result<Message, Failure> {
        match self.exchange(server, stream, &self.plain).await? {
            Reply::Answer { message, .. } => Ok(*message),
            Reply::EdnsRejected => Err(foreign_reply()),
        }
    }

    async fn query_over_tcp(&self, server: SocketAddr, form: &Form) -> Result<Reply, Failure> {
        let stream = TcpStream::connect(server).await;
        let stream = stream.map_err(|error| datagram::socket_failure(server, &error))?;
        self.exchange(server, stream, form).await
    }

    /// Over TCP, messages are preceded by their length (RFC 1035, section 4.2.2).
    async fn exchange(
        &self,
        server: SocketAddr,
        mut stream: TcpStream,
        form: &Form,
    ) -> Result<Reply, Failure> {
        let exchange = async {
            let length = u16::try_from(form.packet.len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes()[..], &form.packet].concat()).await?;
            let length = stream.read_u16().await?;
            let mut response = vec![0; usize::from(length)];
            stream.read_exact(&mut response).await?;
            Ok::<_, io::Error>(response)
        };
        let response = exchange.await.map_err(|error| datagram::socket_failure(server, &error))?;
        self.parse(&response)?.ok_or_else(foreign_reply)
    }
}

impl Form {
    fn new(message: Message) -> Result<Self, String> {
        let packet = message.to_vec().map_err(|error| error.to_string())?;
        Ok(Self { message, packet })
    }

    fn has_id_of(&self, packet: &[u8]) -> bool {
        packet.starts_with(&self.message.metadata.id.to_be_bytes())
    }

    /// Whether `packet` is a response to this form by a server that does not understand EDNS. Such
    /// servers may send the header alone, so nothing else is parsed.
    fn is_rejected_in(&self, packet: &[u8]) -> bool {
        let &[_, _, flags, code, ..] = packet else { return false };
        let is_response = packet.len() >= 12 && flags & 0x80 != 0;
        let code = ResponseCode::from_low(code & 0x0f);
        let is_rejection = match code {
            ResponseCode::FormErr | ResponseCode::NotImp => true,
            // BADVERS has its high bits in the OPT record. hickory calls its number BADSIG.
            _ => Message::from_vec(packet)
                .is_ok_and(|message| u16::from(message.metadata.response_code) == BADVERS),
        };
        self.has_id_of(packet) && is_response && is_rejection
    }

    /// The response to this form in `packet`.
    fn response_in(&self, packet: &[u8]) -> Result<Option<Message>, Failure> {
        if !self.has_id_of(packet) {
            return Ok(None);
        }
        let response = Message::from_vec(packet).map_err(|error| {
            Failure::new(Reason::DnsServer, format!("the response is not valid DNS: {error}"))
        })?;
        // Some servers refuse without repeating the question.
        let is_refusal =
            response.queries.is_empty() && response.metadata.response_code != ResponseCode::NoError;
        let matches = response.metadata.message_type == MessageType::Response
            && (is_refusal || response.queries == self.message.queries);
        Ok(matches.then_some(response))
    }
}

fn foreign_reply() -> Failure {
    Failure::new(Reason::DnsServer, "the response over TCP answers another question")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question::new("_dmarc.Example.com", RecordKind::TXT, true).unwrap()
    }

    fn response_to(form: &Form) -> Message {
        form.message.clone().into_response()
    }

    #[test]
    fn only_a_response_to_the_question_is_accepted() {
        let question = question();
        let parse = |message: &Message| question.parse(&message.to_vec().unwrap());
        for (form, edns) in [(&question.with_edns, true), (&question.plain, false)] {
            assert_eq!(parse(&form.message), Ok(None), "a query is not a response");
            let response = response_to(form);
            let accepted = parse(&response).unwrap();
            assert!(matches!(accepted, Some(Reply::Answer { to_edns, .. }) if to_edns == edns));
            let mut late = response.clone();
            late.metadata.id = late.metadata.id.wrapping_add(7);
            assert_eq!(parse(&late), Ok(None));
            let mut forged = response.clone();
            let other = Question::new("other.example", RecordKind::TXT, true).unwrap();
            forged.queries = other.plain.message.queries;
            assert_eq!(parse(&forged), Ok(None));
            let mut refusal = response;
            refusal.queries.clear();
            assert_eq!(parse(&refusal), Ok(None), "neither an error nor a question");
            refusal.metadata.response_code = ResponseCode::Refused;
            assert!(parse(&refusal).unwrap().is_some());
            let broken = [&form.message.metadata.id.to_be_bytes()[..], b"nonsense"].concat();
            assert_eq!(question.parse(&broken).unwrap_err().reason, Reason::DnsServer);
        }
        assert!(Question::new(&"x".repeat(64), RecordKind::A, true).is_err());
        let root = Question::new(".", RecordKind::NS, false).unwrap();
        assert!(root.plain.message.queries[0].name().is_root());
        let forms = [&root.plain, &root.with_edns, &question.plain];
        let recursion = forms.map(|form| form.message.metadata.recursion_desired);
        assert_eq!(recursion, [false, false, true]);
    }

    #[test]
    fn a_response_that_does_not_understand_edns_is_recognized() {
        use ResponseCode::{BADVERS, FormErr, NXDomain, NoError, NotImp, Refused, ServFail};
        let question = question();
        for (code, is_rejection) in [
            (FormErr, true),
            (NotImp, true),
            (BADVERS, true),
            (ServFail, false),
            (Refused, false),
            (NXDomain, false),
            (NoError, false),
        ] {
            for (form, to_edns) in [(&question.with_edns, true), (&question.plain, false)] {
                let mut response = response_to(form);
                response.metadata.response_code = code;
                let reply = question.parse(&response.to_vec().unwrap()).unwrap();
                let is_rejected = reply == Some(Reply::EdnsRejected);
                assert_eq!(is_rejected, is_rejection && to_edns, "{code:?}, EDNS: {to_edns}");
            }
        }
        // The header alone, also with the counts of the query.
        for counts in [[0; 8], [0, 1, 0, 0, 0, 0, 0, 1]] {
            let id = question.with_edns.message.metadata.id.to_be_bytes();
            let packet = [&id[..], &[0x80, 0x01], &counts].concat();
            assert_eq!(question.parse(&packet), Ok(Some(Reply::EdnsRejected)));
            assert!(!question.with_edns.is_rejected_in(&packet[..11]));
        }
    }
}
