//! Mail servers that switch to TLS by STARTTLS.

use serde_json::json;

use crate::support::{Authority, Launch, MailServer, Shape, TlsServer};

#[test]
fn a_mail_server_is_up_when_it_switches_to_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let probe = |mail: MailServer, shape: Shape| {
        let server = mail.serve(TlsServer::new(authority.certify("127.0.0.1", shape)).config());
        let options = json!({"tls": {"ca": authority.pem()}});
        launch.probe_command(&server.url("starttls")).options(options).run()
    };
    let good = probe(MailServer::Good, Shape::Good);
    good.assert_up();
    assert_eq!(good.outcome["tls_version"], "TLS 1.3");
    assert_eq!(good.outcome["certificate_expires_at"], authority.expires_at());
    probe(MailServer::Good, Shape::Expired).assert_failed("tls_expired", "certificate expired");
    let without = probe(MailServer::WithoutStartTls, Shape::Good);
    without.assert_failed("tls_handshake", "the server does not offer STARTTLS");
    let refusing = probe(MailServer::Rejecting, Shape::Good);
    refusing.assert_failed("status", "SMTP 554 5.7.1 no service here");
    assert_eq!(refusing.outcome["http_status"], 554);
    let injecting = probe(MailServer::Injecting, Shape::Good);
    injecting.assert_failed("protocol", "unexpected data after the reply");
}
