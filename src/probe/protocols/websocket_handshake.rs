//! What a client must verify in the response to its handshake (RFC 6455, section 4.1), beyond
//! `Connection` and the value of `Sec-WebSocket-Accept`, which awc verifies.

use crate::domain::Failure;
use crate::probe::http::fields::Fields;
use crate::probe::protocols::websocket_frames::invalid;

const PROTOCOL: &str = "sec-websocket-protocol";
const EXTENSIONS: &str = "sec-websocket-extensions";

/// Fails when the response, status 101 with the header `fields`, answers another handshake than the
/// one with the headers `requested`: a subprotocol or an extension that it does not name.
pub fn verify(fields: &Fields, requested: &[(String, String)]) -> Result<(), Failure> {
    let upgrade = fields.elements("upgrade");
    if !matches!(upgrade.as_slice(), [one] if one.eq_ignore_ascii_case("websocket")) {
        return Err(refused("Upgrade", &upgrade));
    }
    if fields.all("sec-websocket-accept").count() != 1 {
        return Err(invalid("in the handshake: more than one Sec-WebSocket-Accept"));
    }
    let requested = |name: &str| -> Vec<String> {
        let headers = requested.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let elements = headers.flat_map(|(_, value)| value.split(','));
        elements.map(|element| element.trim().to_owned()).collect()
    };
    if fields.all(PROTOCOL).next().is_some() {
        let chosen = fields.elements(PROTOCOL);
        if !matches!(chosen.as_slice(), [one] if requested(PROTOCOL).contains(one)) {
            return Err(refused("Sec-WebSocket-Protocol", &chosen));
        }
    }
    if fields.all(EXTENSIONS).next().is_some() {
        let (chosen, requested) = (fields.elements(EXTENSIONS), requested(EXTENSIONS));
        let was_requested = |one: &String| {
            requested.iter().any(|known| name(known).eq_ignore_ascii_case(name(one)))
        };
        if chosen.is_empty() || !chosen.iter().all(was_requested) {
            return Err(refused("Sec-WebSocket-Extensions", &chosen));
        }
    }
    Ok(())
}

/// The name of an extension, without its parameters.
fn name(extension: &str) -> &str {
    extension.split(';').next().unwrap_or_default().trim()
}

fn refused(header: &str, values: &[String]) -> Failure {
    invalid(&format!("in the handshake: {header} \"{}\" was not requested", values.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    /// The detail of the failure of a response with these further fields.
    fn verified(response: &[(&str, &str)], request: &[(&str, &str)]) -> Result<(), String> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let mut fields: Vec<_> = response.iter().map(owned).collect();
        if !response.iter().any(|(name, _)| *name == "upgrade") {
            fields.push(("upgrade".to_owned(), "WebSocket".to_owned()));
        }
        fields.push(("sec-websocket-accept".to_owned(), "x".to_owned()));
        let fields = fields.into_iter().map(|(name, value)| (name, value.into_bytes()));
        let requested: Vec<_> = request.iter().map(owned).collect();
        verify(&Fields::new(fields.collect()), &requested).map_err(|failure| {
            assert_eq!(failure.reason, Reason::Protocol);
            failure.detail
        })
    }

    #[test]
    fn only_what_was_requested_is_accepted() {
        let (protocol, extensions) = (PROTOCOL, EXTENSIONS);
        let deflate = "permessage-deflate; client_max_window_bits";
        assert_eq!(verified(&[], &[]), Ok(()));
        assert_eq!(verified(&[], &[(protocol, "chat")]), Ok(()), "the server may choose none");
        let asked = [("Sec-WebSocket-Protocol", "v2.chat, chat")];
        assert_eq!(verified(&[(protocol, "chat")], &asked), Ok(()));
        let asked_extension = [("Sec-WebSocket-Extensions", deflate)];
        assert_eq!(verified(&[(extensions, "permessage-deflate")], &asked_extension), Ok(()));
        for (response, request) in [
            (&[(protocol, "xmpp")][..], &[][..]),
            (&[(protocol, "xmpp")], &asked),
            (&[(protocol, "Chat")], &asked),
            (&[(protocol, "chat, v2.chat")], &asked),
            (&[(protocol, "chat"), (protocol, "chat")], &asked),
            (&[(protocol, "")], &[]),
            (&[(extensions, "permessage-deflate")], &[]),
            (&[(extensions, "permessage-deflate, x-webkit")], &asked_extension),
            (&[(extensions, "")], &[]),
            (&[("upgrade", "websocket, h2c")], &[]),
            (&[("upgrade", "xwebsocket")], &[]),
        ] {
            let detail = verified(response, request).unwrap_err();
            assert!(detail.contains("was not requested"), "{response:?}: {detail}");
        }
        let twice = verified(&[("sec-websocket-accept", "x")], &[]).unwrap_err();
        assert!(twice.contains("more than one Sec-WebSocket-Accept"), "{twice}");
    }
}
