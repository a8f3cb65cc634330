//! Files in the manner of Gatus's users. The end-to-end test `operations::gatus_files` loads them
//! by the binary.

use std::path::Path;

use crate::domain::Variables;
use crate::services_file::read::read;

#[test]
fn every_example_is_read() {
    let pairs = [
        ("DOMAIN", "example.org"),
        ("ENVIRONMENT", "staging"),
        ("INTERVAL", "2m"),
        ("STATUS_URL", "https://status.example.org/health"),
        ("API_KEY", "k3y-of-the-example"),
        ("DB_HOST_AND_PORT", "db.example.org:5432"),
        ("DNS_SERVER", "192.0.2.53"),
        ("PORTAL_BASIC", "dXNlcjpwYXNz"),
        ("PUSH_TOKEN", "0123456789abcdef"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = Variables::new(pairs.into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/gatus");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let content = read(&path, &variables);
        assert!(content.is_ok(), "{path:?}: {:#?}", content.unwrap_err());
    }
}
