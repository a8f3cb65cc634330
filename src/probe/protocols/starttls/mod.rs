//! Connections that a command upgrades to TLS.
//!
//! | protocol | file | command |
//! |---|---|---|
//! | SMTP | [`smtp`] | `STARTTLS` (RFC 3207) |
//! | IMAP | [`imap`] | `STARTTLS` (RFC 9051, section 6.2.1) |
//! | POP3 | [`pop3`] | `STLS` (RFC 2595, section 4) |
//! | FTP | [`ftp`] | `AUTH TLS` (RFC 4217) |
//! | LDAP | [`ldap`] | the extended operation StartTLS (RFC 4511, section 4.14) |
//! | PostgreSQL | [`postgresql`] | `SSLRequest` |
//! | XMPP | [`xmpp`] | `<starttls/>` (RFC 6120, section 5) |

mod dialogue;
mod ftp;
mod imap;
mod ldap;
mod pop3;
mod postgresql;
mod reply;
mod smtp;
mod xmpp;

use tokio::io::AsyncWriteExt;

use crate::domain::Failure;
use crate::domain::service::starttls::StartTlsProtocol;
use crate::probe::context::ProbeContext;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::starttls::dialogue::Dialogue;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Sends the command and does the TLS handshake. The status is the last reply code, where the
/// protocol has one.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let protocol = context.options().starttls_protocol;
    let protocol = protocol.unwrap_or_else(|| StartTlsProtocol::of_port(context.url.port()));
    let stream = context.connect(context.url).await?;
    context.enter(Phase::Processing);
    let mut dialogue = Dialogue::new(stream, protocol.name());
    // What the server answered, and what ends the session politely over TLS.
    let (response, goodbye): (_, &[u8]) = match protocol {
        StartTlsProtocol::Smtp => (smtp::upgrade(&mut dialogue).await?, b"QUIT\r\n"),
        StartTlsProtocol::Ftp => (ftp::upgrade(&mut dialogue).await?, b"QUIT\r\n"),
        StartTlsProtocol::Imap => (imap::upgrade(&mut dialogue).await?, b"a3 LOGOUT\r\n"),
        StartTlsProtocol::Pop3 => (pop3::upgrade(&mut dialogue).await?, b"QUIT\r\n"),
        StartTlsProtocol::Ldap => (ldap::upgrade(&mut dialogue).await?, ldap::UNBIND),
        StartTlsProtocol::PostgreSql => (postgresql::upgrade(&mut dialogue).await?, b""),
        StartTlsProtocol::Xmpp | StartTlsProtocol::XmppServer => {
            let host = context.options().tls.server_name.as_deref();
            let host = host.or(context.url.host_str()).unwrap_or_default();
            // Over TLS, nothing is open that could be closed (RFC 6120, section 5.4.3.3).
            (xmpp::upgrade(&mut dialogue, protocol, host).await?, b"")
        }
    };
    if response.plain.is_err() {
        return Ok(response);
    }
    let stream = dialogue.into_stream();
    let mut stream = context.tls_handshake(context.url, stream, Alpn::None).await?;
    // Servers may take a client that closes without a word for a scanner; errors do not matter.
    let _ = stream.write_all(goodbye).await;
    let _ = stream.flush().await;
    Ok(response)
}
