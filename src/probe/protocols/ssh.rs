//! SSH: the identification string of the server (RFC 4253, section 4.2).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Most bytes before the end of the identification string; a server may send lines before it.
const LIMIT: usize = 64 * 1024;

const WHEN: &str = "waiting for the SSH identification";

/// Sent at once, since a server may wait for it.
const OWN_IDENTIFICATION: &[u8] = b"SSH-2.0-service_healthcheck\r\n";

/// Connects and reads the identification string, which is the body. The status is 0, as in Gatus.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let mut stream = context.connect(context.url).await?;
    context.enter(Phase::Processing);
    let sent = stream.write_all(OWN_IDENTIFICATION).await;
    sent.map_err(|error| failure::of_io(WHEN, &error))?;
    let identification = read_identification(&mut stream).await?;
    check_version(&identification)?;
    let body = identification.into_bytes();
    Ok(ProbeResponse { status: Some(0), body, ..ProbeResponse::default() })
}

async fn read_identification(stream: &mut TcpStream) -> Result<String, Failure> {
    let (mut received, mut buffer) = (Vec::new(), [0; 1_024]);
    let mut searched = 0;
    loop {
        let read = stream.read(&mut buffer).await.map_err(|error| failure::of_io(WHEN, &error))?;
        if read == 0 {
            return Err(absent("the connection was closed before it", &received));
        }
        received.extend_from_slice(&buffer[..read]);
        while let Some(end) = received[searched..].iter().position(|byte| *byte == b'\n') {
            let line = &received[searched..searched + end];
            searched += end + 1;
            if line.starts_with(b"SSH-") {
                return Ok(String::from_utf8_lossy(line).trim_end().to_owned());
            }
        }
        if received.len() > LIMIT {
            return Err(absent(&format!("more than {LIMIT} bytes before it"), &received));
        }
    }
}

/// The failure of a server that sent `received` and no identification.
fn absent(why: &str, received: &[u8]) -> Failure {
    let shown = excerpt(received);
    let received = if shown.is_empty() { String::new() } else { format!(", after \"{shown}\"") };
    Failure::new(Reason::Protocol, format!("{WHEN}: {why}{received}"))
}

/// Only version 2 is in use; a server with version 1 as well says 1.99 (RFC 4253, section 5.1).
fn check_version(identification: &str) -> Result<(), Failure> {
    if ["SSH-2.0-", "SSH-1.99-"].iter().any(|version| identification.starts_with(version)) {
        return Ok(());
    }
    let shown = excerpt(identification.as_bytes());
    let detail = format!("\"{shown}\" does not offer version 2 of SSH");
    Err(Failure::new(Reason::Protocol, detail))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The result for a server that sends `parts` and closes.
    async fn read(parts: &[&[u8]]) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for part in parts {
                // The probe may have closed already.
                let _ = stream.write_all(part).await;
                tokio::task::yield_now().await;
            }
        };
        let read = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            read_identification(&mut stream).await.map_err(|failure| failure.detail)
        };
        tokio::join!(serve, read).1
    }

    #[tokio::test]
    async fn the_identification_may_follow_other_lines() {
        let openssh = Ok("SSH-2.0-OpenSSH_9.2p1 Debian-2".to_owned());
        assert_eq!(read(&[b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"]).await, openssh);
        assert_eq!(read(&[b"hello\r\nSSH-2.0-Open", b"SSH_9.2p1 Debian-2\nrest"]).await, openssh);
    }

    #[tokio::test]
    async fn another_protocol_is_a_failure_that_shows_what_came() {
        let long = [b'x'; 70_000];
        for (sent, detail) in [
            (&b"HTTP/1.1 400 Bad\r\n"[..], "closed before it, after \"HTTP/1.1 400 Bad"),
            (b"Exceeded MaxStartups\r\n", "closed before it, after \"Exceeded MaxStartups"),
            (b"", "the connection was closed before it"),
            (b"SSH-2.0-cut", "closed before it, after \"SSH-2.0-cut"),
            (&long, "more than 65536 bytes before it"),
        ] {
            let found = read(&[sent]).await.unwrap_err();
            assert!(found.contains(detail), "{found}");
        }
    }

    #[test]
    fn version_2_is_required() {
        assert!(check_version("SSH-2.0-dropbear").is_ok() && check_version("SSH-1.99-x").is_ok());
        let detail = "\"SSH-1.5-old\" does not offer version 2 of SSH";
        assert_eq!(check_version("SSH-1.5-old").unwrap_err().detail, detail);
    }
}
