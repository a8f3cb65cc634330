use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;

const URL_WITH_TLS: &str = "postgres://u:s3cret@db.example/uptime";

/// The error for a file of authorities with `content`.
fn error(url: &str, content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, content).unwrap();
    let error = Settings::parse(url, Some(&file)).unwrap_err();
    assert_eq!(error.variable, "DATABASE_CA_FILE");
    error.to_string()
}

#[test]
fn the_password_is_never_shown() {
    let settings = Settings::parse(URL_WITH_TLS, None).unwrap();
    assert_eq!(settings.shown(), "postgres://u:***@db.example:5432/uptime");
    assert_eq!(format!("{settings:?}"), settings.shown());
}

#[test]
fn an_invalid_url_is_an_error_of_its_variable() {
    let error = Settings::parse("postgres://u:s3cret@db.example/", None).unwrap_err().to_string();
    assert!(error.starts_with("DATABASE_URL: invalid value (no database name"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_file_of_authorities_has_certificates() {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority.repeat(2)).unwrap();
    Settings::parse(URL_WITH_TLS, Some(&file)).unwrap();

    let missing = folder.path().join("missing.pem");
    let error_of_missing = Settings::parse(URL_WITH_TLS, Some(&missing)).unwrap_err().to_string();
    assert!(error_of_missing.starts_with("DATABASE_CA_FILE: invalid value \""));
    assert!(error_of_missing.contains("No such file") && error_of_missing.contains("missing.pem"));
    for (content, reason) in [
        ("", "no certificate found"),
        ("text", "no certificate found"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "PEM"),
    ] {
        let error = error(URL_WITH_TLS, content);
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("expected a PEM file of certificates"), "{error}");
    }
}

#[test]
fn a_file_of_authorities_that_no_connection_uses_is_refused() {
    for url in [
        "postgres://localhost/u",
        "postgres:///u?host=/run/postgresql",
        "postgres:///u?host=/run/postgresql&sslmode=require",
        "postgres://db.example/u?sslmode=disable",
    ] {
        let error = error(url, "");
        assert!(error.contains("expected no file, since DATABASE_URL uses no TLS"), "{error}");
    }
}

#[test]
fn connections_that_leave_this_machine_use_tls() {
    for (url, expected) in [
        ("postgres://localhost,10.0.0.1,[::1]/u", vec![false, true, false]),
        ("postgres://db.example/u", vec![true]),
        ("postgres://localhost,db.example/u?sslmode=require", vec![true, true]),
        ("postgres://localhost/u?sslmode=verify-full", vec![true]),
        ("postgres://localhost,db.example/u?sslmode=disable", vec![false, false]),
        ("postgres://%2Frun,db.example/u?sslmode=require", vec![false, true]),
    ] {
        let settings = Settings::parse(url, None).unwrap();
        let each = settings.servers().iter();
        let tls: Vec<bool> = each.map(|server| settings.tls_of(server).is_some()).collect();
        assert_eq!(tls, expected, "{url}");
    }
}
