//! A mail server that turns to TLS (SMTP's STARTTLS, RFC 3207).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::failure;
use crate::probe::net::tls::Alpn;
use crate::probe::timings::Phase;

/// Longest reply that is read, in bytes; RFC 5321 allows 512 a line.
const REPLY_LIMIT: usize = 64 * 1024;

const WHEN: &str = "in the SMTP dialogue";

/// Greets the server and lets it turn to TLS. The status is the last code that it answered.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let mut stream = way.connect(url).await?;
    way.enter(Phase::Waiting);
    let greeting = hear(&mut stream).await?;
    if let Some(refused) = refused(&greeting, 220)? {
        return Ok(refused);
    }
    let hello = ask(&mut stream, "EHLO service-healthcheck\r\n").await?;
    if let Some(refused) = refused(&hello, 250)? {
        return Ok(refused);
    }
    if !hello.offers("STARTTLS") {
        return Err(Failure::new(Reason::TlsHandshake, "the server does not offer STARTTLS"));
    }
    let go_ahead = ask(&mut stream, "STARTTLS\r\n").await?;
    if let Some(refused) = refused(&go_ahead, 220)? {
        return Ok(refused);
    }
    let mut secured = way.secure(url, stream, Alpn::None).await?;
    // Only to be polite: a client that just leaves can be taken for a scanner. What comes of it does not matter.
    let _ = secured.write_all(b"QUIT\r\n").await;
    let _ = secured.flush().await;
    Ok(super::said(Some(go_ahead.code), Ok(())))
}

/// One reply of a server.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    code: u16,
    /// The text of each line; never empty.
    lines: Vec<String>,
}

impl Reply {
    /// Whether it lists `extension` (RFC 5321, section 4.1.1.1: behind the first line, in any case).
    fn offers(&self, extension: &str) -> bool {
        let mut words = self.lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
        words.any(|word| word.eq_ignore_ascii_case(extension))
    }

    fn told(&self) -> String {
        let text = self.lines.last().map_or("", String::as_str);
        format!("SMTP {} {}", self.code, super::excerpt(text.as_bytes())).trim_end().to_owned()
    }
}

/// What is said of the target when `reply` is a refusal, `None` when it is as `expected`.
fn refused(reply: &Reply, expected: u16) -> Result<Option<ProbeResponse>, Failure> {
    match reply.code {
        code if code == expected => Ok(None),
        code @ 400..=599 => {
            Ok(Some(super::said(Some(code), Err(Failure::new(Reason::Status, reply.told())))))
        }
        _ => {
            let told = format!("{} in place of {expected}", reply.told());
            Err(Failure::new(Reason::Protocol, told))
        }
    }
}

async fn ask(stream: &mut TcpStream, command: &str) -> Result<Reply, Failure> {
    stream.write_all(command.as_bytes()).await.map_err(|error| failure::of_io(WHEN, &error))?;
    hear(stream).await
}

/// Reads one reply.
///
/// Nothing may follow it: a server speaks when it is asked, and whoever slips something in before TLS begins would have
/// it taken for a part of what is secured (RFC 3207, section 6).
async fn hear(stream: &mut TcpStream) -> Result<Reply, Failure> {
    let wrong = |what: &str| Failure::new(Reason::Protocol, format!("{WHEN}: {what}"));
    let mut received = Vec::new();
    let mut room = [0; 1_024];
    loop {
        let read = stream.read(&mut room).await.map_err(|error| failure::of_io(WHEN, &error))?;
        if read == 0 {
            return Err(wrong("the connection was closed before the reply was complete"));
        }
        received.extend_from_slice(&room[..read]);
        match parse(&received) {
            Ok(Some((reply, []))) => return Ok(reply),
            Ok(Some((_, _more))) => return Err(wrong("more came than was asked for")),
            Ok(None) if received.len() > REPLY_LIMIT => return Err(wrong("a reply without end")),
            Ok(None) => {}
            Err(NoReply) => {
                return Err(wrong(&format!("\"{}\" is no reply", super::excerpt(&received))));
            }
        }
    }
}

/// What was received does not begin with a reply of SMTP.
#[derive(Debug, PartialEq, Eq)]
struct NoReply;

/// The reply at the start of `received` and what follows it; `None` while it is not complete (RFC 5321, section 4.2).
fn parse(received: &[u8]) -> Result<Option<(Reply, &[u8])>, NoReply> {
    let (mut code, mut lines, mut rest) = (None, Vec::new(), received);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]);
        let line = line.trim_end_matches('\r');
        rest = &rest[end + 1..];
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let this: u16 = digits.and_then(|digits| digits.parse().ok()).ok_or(NoReply)?;
        // All lines of a reply have one code.
        if !(200..600).contains(&this) || *code.get_or_insert(this) != this {
            return Err(NoReply);
        }
        let (more, text) = match line.as_bytes().get(3) {
            None => (false, ""),
            Some(b' ') => (false, &line[4..]),
            Some(b'-') => (true, &line[4..]),
            Some(_) => return Err(NoReply),
        };
        lines.push(text.to_owned());
        if !more {
            return Ok(Some((Reply { code: this, lines }, rest)));
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
        assert!(!reply("250 STARTTLS\r\n").offers("STARTTLS"), "the first line is a name");
        assert_eq!(reply("554 5.7.1 no\x07\n").told(), "SMTP 554 5.7.1 no\\u{7}");
    }

    #[test]
    fn what_is_not_complete_is_waited_for_and_what_follows_is_seen() {
        for part in ["", "2", "220 mail", "250-mail\r\n250-SIZE\r\n"] {
            assert_eq!(parse(part.as_bytes()), Ok(None), "{part:?}");
        }
        let (_, rest) = parse(b"220 go ahead\r\nEHLO me\r\n").unwrap().unwrap();
        assert_eq!(rest, b"EHLO me\r\n");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bad in ["\n", "22\n", "SSH-2.0\r\n", "250-a\r\n220 b\r\n", "220x\n", "999 a\n", "ü\n"]
        {
            assert_eq!(parse(bad.as_bytes()), Err(NoReply), "{bad:?}");
        }
        assert_eq!(parse(b"\xff\xff\xff\xff\n"), Err(NoReply));
    }

    #[test]
    fn a_refusal_is_a_status_and_nonsense_is_not() {
        let said = refused(&reply("421 busy\r\n"), 220).unwrap().unwrap();
        assert_eq!(said.status, Some(421));
        assert_eq!(said.plain.unwrap_err(), Failure::new(Reason::Status, "SMTP 421 busy"));
        assert!(refused(&reply("220 hi\r\n"), 220).unwrap().is_none());
        assert!(refused(&reply("250 hi\r\n"), 220).is_err());
    }
}
