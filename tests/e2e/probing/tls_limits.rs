//! Servers that offer only what this program does not speak.

use serde_json::json;

use crate::support::openssl::OpensslIdentity;
use crate::support::{Launch, OldTls};

#[test]
fn the_sentence_says_what_is_not_spoken() {
    let launch = Launch::new();
    let identity = OpensslIdentity::self_signed("-newkey rsa:2048");
    for (arguments, sentence) in [
        ("-tls1_2 -cipher AES128-SHA256:AES128-GCM-SHA256", "RSA or DHE key exchange"),
        ("-tls1_2 -cipher ECDHE-RSA-AES128-SHA256", "CBC cipher suites"),
        ("-tls1_1 -cipher ALL:@SECLEVEL=0", "does not speak TLS 1.0 and 1.1"),
        ("-tls1 -cipher ALL:@SECLEVEL=0", "does not speak TLS 1.0 and 1.1"),
    ] {
        let server = identity.serve(arguments);
        for insecure in [false, true] {
            let options = json!({"insecure": insecure});
            let probed = launch.probe_command(&server.url()).options(options).run();
            probed.assert_failed("tls_handshake", sentence);
        }
    }
    for manner in [OldTls::Alert, OldTls::Hello, OldTls::Closes] {
        let server = manner.serve();
        let probed = launch.probe_command(&server.url("https")).run();
        probed.assert_failed("tls_handshake", "this program");
    }
    let server = identity.serve("-tls1_2");
    let options = json!({"tls": {"min_version": "1.3"}});
    let probed = launch.probe_command(&server.url()).options(options).run();
    probed.assert_failed("tls_handshake", "TLS 1.3, which the service requires");
}
