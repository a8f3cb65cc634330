//! One question to a name server (RFC 1035), over UDP and, when the answer is cut, over TCP.

mod verdict;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::datagram;
use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::failure;
use crate::probe::timings::Phase;

/// Longest answer over UDP, in bytes: what fits everywhere (DNS Flag Day 2020).
const PAYLOAD_MAX: u16 = 1_232;

/// Asks the server what the service says. The body is the records of the type that was asked for, one a line.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let Some(asked) = &way.options().dns else {
        return Err(Failure::new(Reason::LocalConfig, "the service does not say what to ask"));
    };
    let unusable = |why: String| Failure::new(Reason::LocalConfig, why);
    let question = question(&asked.name, asked.kind.as_str()).map_err(unusable)?;
    let packet = question.to_vec().map_err(|error| unusable(error.to_string()))?;

    let addresses = way.addresses(url).await?;
    way.enter(Phase::Waiting);
    let asked_over_udp = datagram::ask_any(
        &addresses,
        socket,
        |_, _| packet.clone(),
        |_, heard| answer_to(&question, heard),
    );
    let (address, mut answer) = asked_over_udp.await?;
    way.note(|seen| seen.address = Some(address));
    if answer.metadata.truncation {
        answer = ask_over_tcp(address, &question, &packet).await?;
    }

    let rcode = verdict::mnemonic(answer.metadata.response_code);
    let wanted: Vec<RecordType> = question.queries.iter().map(Query::query_type).collect();
    let of_type = answer.answers.iter().filter(|record| wanted.contains(&record.record_type()));
    let records: Vec<String> = of_type.map(|record| record.data.to_string()).collect();
    let plain = verdict::judge(asked, &rcode, &records);
    // What the service expects holds beside its conditions too.
    if let Err(failure) = &plain
        && !asked.expected.is_empty()
    {
        return Err(failure.clone());
    }
    let body = records.join("\n").into_bytes();
    Ok(ProbeResponse { body, rcode: Some(rcode), plain, ..ProbeResponse::default() })
}

/// The question for the records of `name` that are of type `kind`. The error is for a person.
fn question(name: &str, kind: &str) -> Result<Message, String> {
    // As it stands, label by label: names of reverse zones may have a slash in them (RFC 2317).
    let labels =
        name.strip_suffix('.').unwrap_or(name).split('.').filter(|label| !label.is_empty());
    let mut fqdn = Name::from_labels(labels.map(str::as_bytes))
        .map_err(|error| format!("{name:?} is no name: {error}"))?;
    fqdn.set_fqdn(true);
    let kind: RecordType = kind.parse().map_err(|error| format!("{kind} is no type: {error}"))?;
    // Comes with a random id.
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(fqdn, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_MAX);
    question.set_edns(edns);
    Ok(question)
}

fn socket(address: SocketAddr) -> Result<UdpSocket, Failure> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    UdpSocket::bind((any, 0)).map_err(|error| failure::of_io("making a UDP socket", &error))
}

/// The answer to `question` in `packet`; `None` when it is to another, which can be late or forged.
fn answer_to(question: &Message, packet: &[u8]) -> Result<Option<Message>, Failure> {
    if !packet.starts_with(&question.metadata.id.to_be_bytes()) {
        return Ok(None);
    }
    let answer = Message::from_vec(packet).map_err(|error| {
        Failure::new(Reason::DnsServer, format!("the answer is not as DNS says: {error}"))
    })?;
    // Some servers refuse without repeating the question.
    let refuses =
        answer.queries.is_empty() && answer.metadata.response_code != ResponseCode::NoError;
    let fits = answer.metadata.message_type == MessageType::Response
        && (refuses || answer.queries == question.queries);
    Ok(fits.then_some(answer))
}

/// Over TCP, question and answer have their length before them (RFC 1035, section 4.2.2).
async fn ask_over_tcp(
    address: SocketAddr,
    question: &Message,
    packet: &[u8],
) -> Result<Message, Failure> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], packet].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = exchange.await.map_err(|error| datagram::of_socket(address, &error))?;
    answer_to(question, &answer)?.ok_or_else(|| {
        Failure::new(Reason::DnsServer, "the answer over TCP is to another question")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let asked = question("_dmarc.Example.com", "TXT").unwrap();
        let taken = |message: &Message| answer_to(&asked, &message.to_vec().unwrap());
        assert_eq!(taken(&asked), Ok(None), "a question is no answer");
        let answer = asked.clone().into_response();
        assert!(taken(&answer).unwrap().is_some());
        let mut late = answer.clone();
        late.metadata.id = late.metadata.id.wrapping_add(1);
        assert_eq!(taken(&late), Ok(None));
        let mut forged = answer.clone();
        forged.queries = question("other.example", "TXT").unwrap().queries;
        assert_eq!(taken(&forged), Ok(None));
        let mut refusal = answer;
        refusal.queries.clear();
        assert_eq!(taken(&refusal), Ok(None), "no error, and no question");
        refusal.metadata.response_code = ResponseCode::Refused;
        assert!(taken(&refusal).unwrap().is_some());
        let broken = [&asked.metadata.id.to_be_bytes()[..], b"nonsense"].concat();
        assert_eq!(answer_to(&asked, &broken).unwrap_err().reason, Reason::DnsServer);
        assert!(question(&"x".repeat(64), "A").is_err());
    }
}
