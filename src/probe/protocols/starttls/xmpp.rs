//! XMPP (RFC 6120), of clients and of servers.

use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use crate::domain::Failure;
use crate::domain::service::starttls::StartTlsProtocol;
use crate::probe::protocols::starttls::dialogue::{
    Dialogue, InvalidReply, Parsed, TAGS, not_offered,
};
use crate::probe::response::ProbeResponse;

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

/// Opens a stream to `host` and upgrades it.
pub async fn upgrade(
    dialogue: &mut Dialogue,
    protocol: StartTlsProtocol,
    host: &str,
) -> Result<ProbeResponse, Failure> {
    let content = match protocol {
        StartTlsProtocol::XmppServer => "jabber:server",
        _ => "jabber:client",
    };
    let open = format!(
        "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='{content}' \
         xmlns:stream='{STREAMS}'>",
        escape(host)
    );
    dialogue.send(open.as_bytes()).await?;
    match dialogue.read(TAGS, parse_features).await? {
        Reply::Features { starttls: true } => {}
        Reply::Features { starttls: false } => return Err(not_offered("STARTTLS")),
        Reply::Refused(condition) => return Err(dialogue.refused(&condition)),
        Reply::Proceed => return Err(dialogue.failure("<proceed/> before <starttls/>")),
    }
    dialogue.send(format!("<starttls xmlns='{TLS}'/>").as_bytes()).await?;
    match dialogue.read(TAGS, parse_answer).await? {
        Reply::Proceed => Ok(ProbeResponse::default()),
        Reply::Refused(condition) => Err(dialogue.refused(&condition)),
        Reply::Features { .. } => Err(dialogue.failure("<features/> instead of <proceed/>")),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// The features of the stream (section 4.3.2).
    Features {
        starttls: bool,
    },
    Proceed,
    /// The name of the error (section 4.9.3), or `failure` (section 5.4.2.2).
    Refused(String),
}

/// The head of the stream and its features, with space behind them.
fn parse_features(received: &[u8]) -> Parsed<Reply> {
    parse(received, true)
}

/// The element that answers `<starttls/>`; nothing may follow (section 5.4.2.3).
fn parse_answer(received: &[u8]) -> Parsed<Reply> {
    parse(received, false)
}

/// Where an event stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Streams,
    Tls,
    Other,
}

const BYTE_ORDER_MARK: char = '\u{feff}';

fn parse(received: &[u8], within_stream: bool) -> Parsed<Reply> {
    let text = match str::from_utf8(received) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return Err(InvalidReply),
        // An incomplete character.
        Err(_) => return Ok(None),
    };
    // The reader leaves a byte order mark out of its positions.
    let mark = text.len() - text.trim_start_matches(BYTE_ORDER_MARK).len();
    let text = &text[mark..];
    let mut reader = NsReader::from_str(text);
    // The elements that are open, beside that of the stream.
    let mut open: Vec<(Space, String)> = Vec::new();
    let mut reply = None;
    let mut has_stream = !within_stream;
    loop {
        let (space, event) = match reader.read_resolved_event() {
            Ok((ResolveResult::Bound(Namespace(STREAMS)), event)) => (Space::Streams, event),
            Ok((ResolveResult::Bound(Namespace(TLS)), event)) => (Space::Tls, event),
            Ok((_, event)) => (Space::Other, event),
            // The end is missing.
            Err(Error::Syntax(_) | Error::IllFormed(IllFormedError::UnclosedReference)) => {
                return Ok(None);
            }
            Err(_) => return Err(InvalidReply),
        };
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.local_name().into_inner().to_owned();
                if !has_stream {
                    if is_empty || space != Space::Streams || name != "stream" {
                        return Err(InvalidReply);
                    }
                    has_stream = true;
                    continue;
                }
                note(&mut reply, &open, space, &name)?;
                if !is_empty {
                    open.push((space, name));
                    continue;
                }
            }
            Event::End(_) => {
                open.pop().ok_or(InvalidReply)?;
            }
            Event::Decl(_) | Event::Comment(_) => continue,
            Event::Text(text) if text.trim().is_empty() || !open.is_empty() => continue,
            Event::GeneralRef(_) | Event::CData(_) if !open.is_empty() => continue,
            Event::Eof => return Ok(None),
            // A document type is forbidden (section 11.1).
            _ => return Err(InvalidReply),
        }
        if open.is_empty() {
            let reply = reply.ok_or(InvalidReply)?;
            let end = usize::try_from(reader.buffer_position()).unwrap_or(received.len());
            let rest = text.get(end..).ok_or(InvalidReply)?;
            let behind = match reply {
                // The server closes the stream and the connection.
                Reply::Refused(_) => rest.len(),
                _ if within_stream => rest.len() - rest.trim_start().len(),
                _ => 0,
            };
            return Ok(Some((reply, mark + end + behind)));
        }
    }
}

/// Notes the element `name`, which stands in `open`.
fn note(
    reply: &mut Option<Reply>,
    open: &[(Space, String)],
    space: Space,
    name: &str,
) -> Result<(), InvalidReply> {
    match (open, space, name) {
        ([], Space::Streams, "features") => *reply = Some(Reply::Features { starttls: false }),
        ([], Space::Streams, "error") | ([], Space::Tls, "failure") => {
            *reply = Some(Reply::Refused(name.to_owned()));
        }
        ([], Space::Tls, "proceed") => *reply = Some(Reply::Proceed),
        ([], _, _) => return Err(InvalidReply),
        ([_], Space::Tls, "starttls") if matches!(reply, Some(Reply::Features { .. })) => {
            *reply = Some(Reply::Features { starttls: true });
        }
        // The first element of an error is its condition.
        ([(Space::Streams, parent)], _, _) if parent == "error" => {
            if matches!(reply, Some(Reply::Refused(text)) if text == "error") {
                *reply = Some(Reply::Refused(name.to_owned()));
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                        xmlns:stream='http://etherx.jabber.org/streams' id='a>b' version='1.0'>";
    const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>\
                            <required/></starttls>";

    fn features(text: &str) -> Parsed<Reply> {
        parse_features(format!("{OPEN}{text}").as_bytes())
    }

    #[test]
    fn features_list_starttls_by_its_namespace() {
        let length = |text: &str| OPEN.len() + text.len();
        let text = format!("<stream:features>{STARTTLS}<x xmlns='y'>&lt;</x></stream:features>\n");
        let found = features(&text);
        assert_eq!(found, Ok(Some((Reply::Features { starttls: true }, length(&text)))));
        for without in [
            "<stream:features/>",
            "<stream:features><starttls/></stream:features>",
            "<stream:features><a xmlns='b'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
             </a></stream:features>",
        ] {
            let found = features(without);
            let expected = (Reply::Features { starttls: false }, length(without));
            assert_eq!(found, Ok(Some(expected)), "{without}");
        }
        let whole = format!("{OPEN}{text}");
        for end in 0..whole.len() - 1 {
            assert_eq!(parse_features(&whole.as_bytes()[..end]), Ok(None), "{}", &whole[..end]);
        }
    }

    #[test]
    fn errors_are_told_by_their_condition() {
        let text = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                    <text>no</text></stream:error></stream:stream>";
        let refused = Reply::Refused("host-unknown".to_owned());
        assert_eq!(features(text), Ok(Some((refused, OPEN.len() + text.len()))));
    }

    #[test]
    fn the_answer_ends_with_its_tag() {
        let proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let answer = |text: &str| parse_answer(text.as_bytes());
        assert_eq!(answer(proceed), Ok(Some((Reply::Proceed, proceed.len()))));
        assert_eq!(answer(&format!("{proceed} <a")), Ok(Some((Reply::Proceed, proceed.len()))));
        let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let refused = Reply::Refused("failure".to_owned());
        assert_eq!(answer(failure), Ok(Some((refused, failure.len()))));
    }

    #[test]
    fn a_byte_order_mark_counts_and_hides_no_data() {
        let features = "<stream:features><x/></stream:features>";
        let whole = format!("\u{feff}{OPEN}{features}");
        let expected = Ok(Some((Reply::Features { starttls: false }, whole.len())));
        assert_eq!(parse_features(whole.as_bytes()), expected);
        let hostile = format!("\u{feff}{OPEN}<stream:features é/>");
        let _ = parse_features(hostile.as_bytes());
    }

    #[test]
    fn what_is_no_stream_is_an_error() {
        for bad in ["<html><a/>", "220 mail <a>", "<!DOCTYPE a><b/>", "<stream/>", "</a>"] {
            assert_eq!(parse_features(bad.as_bytes()), Err(InvalidReply), "{bad}");
        }
        assert_eq!(features("<message/>"), Err(InvalidReply));
        assert_eq!(parse_answer(b"<proceed/>"), Err(InvalidReply), "of another namespace");
        assert_eq!(parse_features(b"<\xff>"), Err(InvalidReply));
    }
}
