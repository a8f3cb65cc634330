//! FTP (RFC 4217).

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{Dialogue, LINES, not_offered};
use crate::probe::protocols::starttls::reply::parse_ftp;
use crate::probe::response::ProbeResponse;

/// "Service ready in n minutes": the greeting follows (RFC 959, section 5.4).
const LATER: u16 = 120;

/// Codes for a command or a mechanism that the server does not know (RFC 4217, section 4.1).
const UNKNOWN: [u16; 3] = [500, 502, 504];

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    let mut greeting = dialogue.read(LINES, parse_ftp).await?;
    if greeting.code == LATER {
        greeting = dialogue.read(LINES, parse_ftp).await?;
    }
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
