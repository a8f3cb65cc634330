//! Files in the manner of Gatus's users. The end-to-end test `operations::gatus_files` loads them
//! by the binary.

use std::path::Path;

use crate::domain::Variables;
use crate::services_file::channel_kinds::Unchecked;
use crate::services_file::read::read;

#[test]
fn the_example_of_alerting_is_read_and_each_service_alerts_somebody() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/alerting.yaml");
    let content = read(&path, &Variables::default(), &Unchecked).unwrap();
    assert_eq!((content.entries.len(), content.channels.len(), content.policies.len()), (3, 1, 1));
    assert_eq!(content.notices.messages(), [""; 0]);
    assert_eq!(content.unalerted.messages(), [""; 0]);
    let rules = content.entries[0].definition.options.alerts.clone().unwrap();
    assert_eq!((rules[0].failure_threshold, rules[0].send_on_resolved), (2, true));
}

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
        ("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/1/x"),
        ("DISCORD_WEBHOOK_URL_DNS", "https://discord.com/api/webhooks/2/x"),
        ("SLACK_HOOK", "T000/B000/x"),
        ("PUSHOVER_APP", "a-token-of-thirty-characters-x"),
        ("PUSHOVER_USER", "u-token-of-thirty-characters-x"),
        ("NTFY_TOKEN", "tk_x"),
        ("TELEGRAM_TOKEN", "1:x"),
        ("MATRIX_TOKEN", "x"),
        ("GITHUB_TOKEN", "x"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = Variables::new(pairs.into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/gatus");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let content = read(&path, &variables, &Unchecked);
        assert!(content.is_ok(), "{path:?}: {:#?}", content.unwrap_err());
    }
}
