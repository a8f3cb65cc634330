//! FTP (RFC 4217).

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{Dialogue, LINES, Parsed, not_offered};
use crate::probe::protocols::starttls::reply::{Reply, parse_ftp};
use crate::probe::response::ProbeResponse;

/// "Service ready in n minutes": the greeting follows (RFC 959, section 5.4).
const LATER: u16 = 120;

/// Codes for a command or a mechanism that the server does not know (RFC 4217, section 4.1).
const UNKNOWN: [u16; 3] = [500, 502, 504];

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    let greeting = dialogue.read(LINES, parse_greeting).await?;
    if let Some(refused) = greeting.refusal("FTP", 220)? {
        return Ok(refused);
    }
    dialogue.send(b"AUTH TLS\r\n").await?;
    let ready = dialogue.read(LINES, parse_ftp).await?;
    if UNKNOWN.contains(&ready.code) {
        return Err(not_offered(&format!("AUTH TLS: {}", ready.summary("FTP"))));
    }
    let refused = ready.refusal("FTP", 234)?;
    Ok(refused.unwrap_or_else(|| ProbeResponse::with_status(ready.code, Ok(()))))
}

/// The reply that the server begins with, with the announcement before it.
fn parse_greeting(received: &[u8]) -> Parsed<Reply> {
    match parse_ftp(received)? {
        Some((reply, announced)) if reply.code == LATER => {
            let greeting = parse_ftp(received.get(announced..).unwrap_or_default())?;
            Ok(greeting.map(|(reply, length)| (reply, announced + length)))
        }
        greeting => Ok(greeting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_may_come_before_or_with_the_greeting() {
        let code = |text: &str| {
            let parsed = parse_greeting(text.as_bytes()).unwrap();
            parsed.map(|(reply, length)| (reply.code, length))
        };
        assert_eq!(code("220 ready\r\n"), Some((220, 11)));
        assert_eq!(code("120 soon\r\n"), None);
        assert_eq!(code("120 soon\r\n220 ready\r\n"), Some((220, 21)));
        assert_eq!(code("120 soon\r\n220 re"), None);
    }
}
