//! One question to a name server (RFC 1035), over UDP and, for a truncated response, over TCP.

mod plain_rule;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::protocols::datagram;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Longest response over UDP, in bytes: fits without fragmentation (DNS Flag Day 2020).
const PAYLOAD_MAX: u16 = 1_232;

/// Sends the service's question. The body of the response is the records of the requested type, one
/// on each line.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let Some(question) = &context.options().dns else {
        return Err(Failure::new(Reason::LocalConfig, "the service has no DNS question"));
    };
    let invalid = |why: String| Failure::new(Reason::LocalConfig, why);
    let query = query_message(&question.name, question.kind.as_str()).map_err(invalid)?;
    let packet = query.to_vec().map_err(|error| invalid(error.to_string()))?;

    let addresses = context.resolve(context.url).await?;
    context.enter(Phase::Processing);
    let over_udp = datagram::query_any(
        &addresses,
        udp_socket,
        |_, _| packet.clone(),
        |_, received| response_to(&query, received),
    );
    let (address, mut response) = over_udp.await?;
    context.update_details(|details| details.address = Some(address));
    if response.metadata.truncation {
        response = query_over_tcp(address, &query, &packet).await?;
    }

    let rcode = plain_rule::mnemonic(response.metadata.response_code);
    let requested: Vec<RecordType> = query.queries.iter().map(Query::query_type).collect();
    let answers = response.answers.iter();
    let records: Vec<String> = answers
        .filter(|record| requested.contains(&record.record_type()))
        .map(|record| record.data.to_string())
        .collect();
    let plain = plain_rule::plain_rule(question, &rcode, &records);
    // Expected records are required with conditions too.
    if let Err(failure) = &plain
        && !question.expected.is_empty()
    {
        return Err(failure.clone());
    }
    let body = records.join("\n").into_bytes();
    Ok(ProbeResponse { body, rcode: Some(rcode), plain, ..ProbeResponse::default() })
}

/// A query for the records of `name` of type `kind`, with a random id.
fn query_message(name: &str, kind: &str) -> Result<Message, String> {
    // Label by label, since names of reverse zones may contain a slash (RFC 2317).
    let labels =
        name.strip_suffix('.').unwrap_or(name).split('.').filter(|label| !label.is_empty());
    let mut fqdn = Name::from_labels(labels.map(str::as_bytes))
        .map_err(|error| format!("{name:?} is not a valid name: {error}"))?;
    fqdn.set_fqdn(true);
    let kind: RecordType =
        kind.parse().map_err(|error| format!("{kind} is not a record type: {error}"))?;
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(fqdn, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_MAX);
    query.set_edns(edns);
    Ok(query)
}

fn udp_socket(address: SocketAddr) -> Result<UdpSocket, Failure> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    UdpSocket::bind((any, 0)).map_err(|error| failure::of_io("opening a UDP socket", &error))
}

/// The response to `query` in `packet`; `None` for a response to another query (late or forged).
fn response_to(query: &Message, packet: &[u8]) -> Result<Option<Message>, Failure> {
    if !packet.starts_with(&query.metadata.id.to_be_bytes()) {
        return Ok(None);
    }
    let response = Message::from_vec(packet).map_err(|error| {
        Failure::new(Reason::DnsServer, format!("the response is not valid DNS: {error}"))
    })?;
    // Some servers refuse without repeating the question.
    let is_refusal =
        response.queries.is_empty() && response.metadata.response_code != ResponseCode::NoError;
    let matches = response.metadata.message_type == MessageType::Response
        && (is_refusal || response.queries == query.queries);
    Ok(matches.then_some(response))
}

/// Over TCP, messages are preceded by their length (RFC 1035, section 4.2.2).
async fn query_over_tcp(
    address: SocketAddr,
    query: &Message,
    packet: &[u8],
) -> Result<Message, Failure> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], packet].concat()).await?;
        let length = stream.read_u16().await?;
        let mut response = vec![0; usize::from(length)];
        stream.read_exact(&mut response).await?;
        Ok::<_, io::Error>(response)
    };
    let response = exchange.await.map_err(|error| datagram::socket_failure(address, &error))?;
    response_to(query, &response)?.ok_or_else(|| {
        Failure::new(Reason::DnsServer, "the response over TCP answers another question")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_response_to_the_query_is_accepted() {
        let query = query_message("_dmarc.Example.com", "TXT").unwrap();
        let parse = |message: &Message| response_to(&query, &message.to_vec().unwrap());
        assert_eq!(parse(&query), Ok(None), "a query is not a response");
        let response = query.clone().into_response();
        assert!(parse(&response).unwrap().is_some());
        let mut late = response.clone();
        late.metadata.id = late.metadata.id.wrapping_add(1);
        assert_eq!(parse(&late), Ok(None));
        let mut forged = response.clone();
        forged.queries = query_message("other.example", "TXT").unwrap().queries;
        assert_eq!(parse(&forged), Ok(None));
        let mut refusal = response;
        refusal.queries.clear();
        assert_eq!(parse(&refusal), Ok(None), "neither an error nor a question");
        refusal.metadata.response_code = ResponseCode::Refused;
        assert!(parse(&refusal).unwrap().is_some());
        let broken = [&query.metadata.id.to_be_bytes()[..], b"nonsense"].concat();
        assert_eq!(response_to(&query, &broken).unwrap_err().reason, Reason::DnsServer);
        assert!(query_message(&"x".repeat(64), "A").is_err());
    }
}
