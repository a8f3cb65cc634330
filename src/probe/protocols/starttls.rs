//! SMTP's STARTTLS (RFC 3207).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::limits::check;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Longest reply, in bytes; RFC 5321 allows 512 for each line.
const REPLY_LIMIT: usize = 64 * 1024;

/// Most lines of a reply.
const LINES_LIMIT: u64 = 100;

const WHEN: &str = "in the SMTP dialogue";

/// Sends EHLO and STARTTLS and does the TLS handshake. The status is the last reply code.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let mut stream = context.connect(context.url).await?;
    context.enter(Phase::Processing);
    let greeting = read_reply(&mut stream).await?;
    if let Some(refused) = refusal(&greeting, 220)? {
        return Ok(refused);
    }
    let hello = send_command(&mut stream, "EHLO service-healthcheck\r\n").await?;
    if let Some(refused) = refusal(&hello, 250)? {
        return Ok(refused);
    }
    if !hello.offers("STARTTLS") {
        return Err(Failure::new(Reason::TlsHandshake, "the server does not offer STARTTLS"));
    }
    let ready = send_command(&mut stream, "STARTTLS\r\n").await?;
    if let Some(refused) = refusal(&ready, 220)? {
        return Ok(refused);
    }
    let mut stream = context.tls_handshake(context.url, stream, Alpn::None).await?;
    // Servers may take a client that closes without QUIT for a scanner. Errors do not matter here.
    let _ = stream.write_all(b"QUIT\r\n").await;
    let _ = stream.flush().await;
    Ok(ProbeResponse::with_status(ready.code, Ok(())))
}

#[derive(Debug, PartialEq, Eq)]
struct Reply {
    code: u16,
    /// The text of each line; never empty.
    lines: Vec<String>,
}

impl Reply {
    /// Whether an EHLO reply lists `extension`: after the first line, in any case (RFC 5321,
    /// section 4.1.1.1).
    fn offers(&self, extension: &str) -> bool {
        let mut words = self.lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
        words.any(|word| word.eq_ignore_ascii_case(extension))
    }

    /// Code and last line, for the detail of a failure.
    fn summary(&self) -> String {
        let text = self.lines.last().map_or("", String::as_str);
        format!("SMTP {} {}", self.code, excerpt(text.as_bytes())).trim_end().to_owned()
    }
}

/// The response for a reply of 400 to 599; `None` for the `expected` code.
fn refusal(reply: &Reply, expected: u16) -> Result<Option<ProbeResponse>, Failure> {
    match reply.code {
        code if code == expected => Ok(None),
        code @ 400..=599 => {
            let failure = Failure::new(Reason::Status, reply.summary());
            Ok(Some(ProbeResponse::with_status(code, Err(failure))))
        }
        _ => {
            let detail = format!("{} instead of {expected}", reply.summary());
            Err(Failure::new(Reason::Protocol, detail))
        }
    }
}

async fn send_command(stream: &mut TcpStream, command: &str) -> Result<Reply, Failure> {
    stream.write_all(command.as_bytes()).await.map_err(|error| failure::of_io(WHEN, &error))?;
    read_reply(stream).await
}

/// Reads one reply.
///
/// No data may follow: an attacker who injects data before the handshake would have it taken for
/// data sent over TLS (RFC 3207, section 6).
async fn read_reply(stream: &mut TcpStream) -> Result<Reply, Failure> {
    let failed = |why: &str| Failure::new(Reason::Protocol, format!("{WHEN}: {why}"));
    let (mut received, mut lines) = (Vec::new(), 0);
    let mut buffer = [0; 1_024];
    loop {
        let read = stream.read(&mut buffer).await.map_err(|error| failure::of_io(WHEN, &error))?;
        if read == 0 {
            return Err(failed("the connection was closed before the reply was complete"));
        }
        received.extend_from_slice(&buffer[..read]);
        let new_lines = buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        lines += new_lines;
        check(lines, LINES_LIMIT, "lines of a reply").map_err(|exceeded| exceeded.failure(WHEN))?;
        // Without a new line, the reply is as incomplete as before.
        let parsed = if new_lines > 0 { parse(&received) } else { Ok(None) };
        match parsed {
            Ok(Some((reply, []))) => return Ok(reply),
            Ok(Some((_, _rest))) => return Err(failed("unexpected data after the reply")),
            Ok(None) if received.len() > REPLY_LIMIT => {
                return Err(failed(&format!("a reply of more than {REPLY_LIMIT} bytes")));
            }
            Ok(None) => {}
            Err(InvalidReply) => {
                let received = excerpt(&received);
                return Err(failed(&format!("\"{received}\" is not an SMTP reply")));
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct InvalidReply;

/// The reply at the start of `received` and the data after it; `None` while it is incomplete (RFC
/// 5321, section 4.2).
fn parse(received: &[u8]) -> Result<Option<(Reply, &[u8])>, InvalidReply> {
    let (mut code, mut lines, mut rest) = (None, Vec::new(), received);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]);
        let line = line.trim_end_matches('\r');
        rest = &rest[end + 1..];
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let line_code: u16 = digits.and_then(|digits| digits.parse().ok()).ok_or(InvalidReply)?;
        // All lines of a reply have the same code.
        if !(200..600).contains(&line_code) || *code.get_or_insert(line_code) != line_code {
            return Err(InvalidReply);
        }
        let (continues, text) = match line.as_bytes().get(3) {
            None => (false, ""),
            Some(b' ') => (false, &line[4..]),
            Some(b'-') => (true, &line[4..]),
            Some(_) => return Err(InvalidReply),
        };
        lines.push(text.to_owned());
        if !continues {
            return Ok(Some((Reply { code: line_code, lines }, rest)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_reply_has_one_line_or_many() {
        assert_eq!(reply("220\r\n"), Reply { code: 220, lines: vec![String::new()] });
        let hello = reply("250-mail.example\r\n250-PIPELINING\r\n250 starttls\r\n");
        assert_eq!((hello.code, hello.lines.len()), (250, 3));
        assert!(hello.offers("STARTTLS"));
        assert!(
            !reply("250 STARTTLS\r\n").offers("STARTTLS"),
            "the first line is the server's name"
        );
        assert_eq!(reply("554 5.7.1 no\x07\n").summary(), "SMTP 554 5.7.1 no\\u{7}");
    }

    #[test]
    fn an_incomplete_reply_is_none_and_data_after_a_reply_is_returned() {
        for part in ["", "2", "220 mail", "250-mail\r\n250-SIZE\r\n"] {
            assert_eq!(parse(part.as_bytes()), Ok(None), "{part:?}");
        }
        let (_, rest) = parse(b"220 go ahead\r\nEHLO me\r\n").unwrap().unwrap();
        assert_eq!(rest, b"EHLO me\r\n");
    }

    #[test]
    fn an_invalid_reply_is_an_error() {
        for bad in ["\n", "22\n", "SSH-2.0\r\n", "250-a\r\n220 b\r\n", "220x\n", "999 a\n", "ü\n"]
        {
            assert_eq!(parse(bad.as_bytes()), Err(InvalidReply), "{bad:?}");
        }
        assert_eq!(parse(b"\xff\xff\xff\xff\n"), Err(InvalidReply));
    }

    #[test]
    fn a_refusal_has_a_status_and_another_code_is_an_error() {
        let response = refusal(&reply("421 busy\r\n"), 220).unwrap().unwrap();
        assert_eq!(response.status, Some(421));
        assert_eq!(response.plain.unwrap_err(), Failure::new(Reason::Status, "SMTP 421 busy"));
        assert!(refusal(&reply("220 hi\r\n"), 220).unwrap().is_none());
        assert!(refusal(&reply("250 hi\r\n"), 220).is_err());
    }
}
