//! Certificates of all kinds: trusted by themselves, accepted with `insecure`, P-521, and the
//! details that probes report.

use serde_json::{Value, json};

use crate::support::openssl::OpensslIdentity;
use crate::support::{Authority, Launch, Shape, TlsServer};

#[test]
fn a_target_may_show_exactly_a_trusted_certificate() {
    let stranger = Authority::named("a stranger");
    for shape in [Shape::AuthorityCertificate, Shape::SelfSigned, Shape::Good] {
        let identity = stranger.certify("127.0.0.1", shape);
        let (pem, folder) = (identity.certificate_pem(), tempfile::tempdir().unwrap());
        let server = TlsServer::new(identity).serve();
        let url = server.url("https");
        let up = Launch::new().probe_command(&url).options(json!({"tls": {"ca": pem}})).run();
        up.assert_up();
        assert_eq!(up.outcome["verified_chain_expires_at"], stranger.expires_at());
        let file = folder.path().join("trusted.pem");
        std::fs::write(&file, pem).unwrap();
        Launch::new().with("PROBE_CA_FILE", file.display()).probe_command(&url).run().assert_up();
        let other = json!({"tls": {"ca": stranger.certify("127.0.0.1", shape).certificate_pem()}});
        Launch::new().probe_command(&url).options(other).run().assert_failed("tls_untrusted", "");
    }
}

#[test]
fn the_certificate_of_openssl_req_is_trusted_by_itself() {
    let launch = Launch::new();
    let identity = OpensslIdentity::self_signed("-newkey rsa:2048");
    let server = identity.serve("");
    let options = json!({"tls": {"ca": identity.certificate_pem()}});
    launch.probe_command(&server.url()).options(options.clone()).run().assert_up();
    let version_1 = OpensslIdentity::version_1();
    let options = json!({"tls": {"ca": version_1.certificate_pem()}});
    let probed = launch.probe_command(&version_1.serve("").url()).options(options).run();
    probed.assert_failed("tls_hostname", "is not valid for any names");
}

#[test]
fn insecure_accepts_any_certificate_and_tells_its_expiry() {
    let launch = Launch::new();
    let own = OpensslIdentity::self_signed;
    let curve = |name: &str| own(&format!("-newkey ec -pkeyopt ec_paramgen_curve:{name}"));
    let (both, tls12, tls13) = (["-tls1_2", "-tls1_3"], ["-tls1_2"; 1], ["-tls1_3"; 1]);
    let cases: [(&str, OpensslIdentity, &[&str]); 9] = [
        ("X.509 v1", OpensslIdentity::version_1(), &both),
        ("RSA 1024", own("-newkey rsa:1024"), &both),
        ("RSA 512", own("-newkey rsa:512"), &tls12),
        ("SHA-1", own("-newkey rsa:2048 -sha1"), &both),
        ("P-521", curve("P-521"), &both),
        ("Ed448", own("-newkey ed448"), &both),
        ("RSASSA-PSS", own("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048"), &tls13),
        ("secp256k1", curve("secp256k1"), &tls12),
        ("brainpool", curve("brainpoolP256r1"), &tls12),
    ];
    for (name, identity, versions) in cases {
        for version in versions {
            let server = identity.serve(&format!("{version} -cipher ALL:@SECLEVEL=0"));
            let command = launch.probe_command(&server.url());
            let probed = command.options(json!({"insecure": true})).run();
            assert!(probed.is_up(), "{name} {version}: {probed:?}");
            assert!(probed.outcome["own_certificate_expires_at"].is_i64(), "{name}: {probed:?}");
            assert_eq!(probed.outcome["verified_chain_expires_at"], Value::Null);
            assert_eq!(probed.outcome["certificates"].as_array().unwrap().len(), 1, "{name}");
        }
    }
}

#[test]
fn p521_is_verified_in_certificates_chains_key_exchange_and_client_keys() {
    let launch = Launch::new();
    let p521 = "-newkey ec -pkeyopt ec_paramgen_curve:P-521";
    let authority = OpensslIdentity::self_signed(&format!("{p521} -sha512"));
    let leaf = authority.issue(&format!("{p521} -sha256"));
    let client = authority.issue(p521);
    let p256 = authority.issue("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha384");
    let stranger = OpensslIdentity::self_signed(p521);
    let ca = authority.certificate_pem();
    for version in ["-tls1_2", "-tls1_3"] {
        let authority_file = authority.file("cert.pem");
        let (clients, groups) = (authority_file.display(), "-groups P-521");
        for (identity, arguments) in [
            (&authority, groups.to_owned()),
            (&leaf, String::new()),
            (&p256, String::new()),
            (&leaf, format!("{groups} -Verify 1 -verify_return_error -CAfile {clients}")),
        ] {
            let server = identity.serve(&format!("{version} {arguments}"));
            let probe = |ca: &str| {
                let tls = json!({
                    "ca": ca, "certificate": client.certificate_pem(),
                    "private_key": client.key_pem()
                });
                launch.probe_command(&server.url()).options(json!({"tls": tls})).run()
            };
            let probed = probe(&ca);
            assert!(probed.is_up(), "{version} {arguments}: {probed:?}");
            probe(&stranger.certificate_pem()).assert_failed("tls_untrusted", "");
        }
    }
}

#[test]
fn expiries_are_told_when_the_certificate_makes_the_handshake_fail() {
    const EXPIRED: i64 = 1_609_459_200;
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for (shape, reason, expires_at) in [
        (Shape::Expired, "tls_expired", EXPIRED),
        (Shape::WrongName, "tls_hostname", authority.expires_at()),
        (Shape::SelfSigned, "tls_untrusted", authority.expires_at()),
    ] {
        let server = authority.serve_shape(shape);
        let probed = launch.probe_command(&server.url("https")).run();
        probed.assert_failed(reason, "");
        assert_eq!(probed.outcome["certificate_expires_at"], expires_at, "{shape:?}");
        assert_eq!(probed.outcome["own_certificate_expires_at"], expires_at, "{shape:?}");
        assert_eq!(probed.outcome["verified_chain_expires_at"], Value::Null, "{shape:?}");
        assert_eq!(probed.outcome["certificates"][0]["not_after"], expires_at, "{shape:?}");
    }
    let app = launch.start();
    let expired = authority.serve_shape(Shape::Expired);
    let good = authority.serve_shape(Shape::Good);
    let expired = app.add("expired", &expired.url("https"));
    let good_id = app.add("good", &good.url("https"));
    app.wait_for_state(expired, "down");
    app.wait_for_state(good_id, "up");
    let of = |family: &str, id: i64| app.metric(&format!("{family}{{service_id=\"{id}\""));
    let (earliest, verified) =
        ("probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_expiry_timestamp_seconds");
    assert_eq!(of(earliest, expired), Some(EXPIRED as f64));
    assert_eq!(of(verified, expired), None);
    assert_eq!(of(verified, good_id), Some(authority.expires_at() as f64));
}

#[test]
fn certificate_expiration_is_that_of_the_own_certificate() {
    let launch = Launch::new();
    let root = OpensslIdentity::self_signed("-newkey rsa:2048 -days 3");
    let leaf = root.issue("-newkey rsa:2048");
    // The server also sends the certificate of the authority, which expires in three days.
    let chain = root.file("cert.pem");
    let server = leaf.serve(&format!("-cert_chain {}", chain.display()));
    let options = json!({"tls": {"ca": root.certificate_pem()}});
    let command = launch.probe_command(&server.url()).options(options);
    let probed = command.condition("[CERTIFICATE_EXPIRATION] > 2400h").run();
    probed.assert_up();
    let at = |field: &str| probed.outcome[field].as_i64().unwrap();
    assert!(at("certificate_expires_at") < at("own_certificate_expires_at"), "{probed:?}");
    assert_eq!(at("verified_chain_expires_at"), at("certificate_expires_at"), "{probed:?}");
}

#[test]
fn an_encrypted_key_is_refused_where_it_is_written() {
    let identity = OpensslIdentity::self_signed("-newkey rsa:2048");
    let key = identity.key_pem();
    let app = Launch::new().start();
    let rest = key.split_once('\n').unwrap().1;
    for encrypted in [
        key.replace(" PRIVATE KEY", " ENCRYPTED PRIVATE KEY"),
        format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{rest}"),
    ] {
        let tls = json!({"certificate": identity.certificate_pem(), "private_key": encrypted});
        let body = json!({"name": "a", "url": "https://a.example/", "tls": tls});
        let refused = app.send("POST", "/v1/services", &body);
        assert_eq!(refused.status, 422, "{refused:?}");
        let error = refused.body["errors"][0].as_str().unwrap();
        assert!(error.starts_with("tls.private_key: ") && error.contains("encrypted"), "{error}");
    }
}
