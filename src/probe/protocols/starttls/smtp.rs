//! SMTP (RFC 3207).

use crate::domain::Failure;
use crate::probe::protocols::starttls::dialogue::{Dialogue, LINES, not_offered};
use crate::probe::protocols::starttls::reply::parse_smtp;
use crate::probe::response::ProbeResponse;

pub async fn upgrade(dialogue: &mut Dialogue) -> Result<ProbeResponse, Failure> {
    let greeting = dialogue.read(LINES, parse_smtp).await?;
    if let Some(refused) = greeting.refusal("SMTP", 220)? {
        return Ok(refused);
    }
    dialogue.send(b"EHLO service-healthcheck\r\n").await?;
    let hello = dialogue.read(LINES, parse_smtp).await?;
    if let Some(refused) = hello.refusal("SMTP", 250)? {
        return Ok(refused);
    }
    if !hello.offers("STARTTLS") {
        return Err(not_offered("STARTTLS"));
    }
    dialogue.send(b"STARTTLS\r\n").await?;
    let ready = dialogue.read(LINES, parse_smtp).await?;
    let refused = ready.refusal("SMTP", 220)?;
    Ok(refused.unwrap_or_else(|| ProbeResponse::with_status(ready.code, Ok(()))))
}
