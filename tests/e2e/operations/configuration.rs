//! Configuration from the environment and the `.env` file.

use std::net::TcpListener;

use crate::support::Launch;

#[test]
fn every_configuration_error_is_reported_and_nothing_is_started() {
    let launch = Launch::new()
        .with("API_PORT", "port")
        .with("RUNNER_POOL_SIZE", "0")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "-1");
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2));
    for expected in [
        "API_PORT: invalid value \"port\"",
        "RUNNER_POOL_SIZE: invalid value \"0\"",
        "RUNNER_HTTP_TIMEOUT_SECONDS: invalid value \"-1\"",
    ] {
        assert!(output.contains(expected), "{expected} in:\n{output}");
    }
    assert_eq!(output.matches(", expected ").count(), 3, "{output}");
    assert!(!launch.folder().join("db.db").exists());
}

#[test]
fn the_env_file_is_read_and_the_environment_wins() {
    let launch = Launch::new().with("API_HOST", "127.0.0.1");
    std::fs::write(launch.folder().join(".env"), "DB_FILE=other.db\nAPI_HOST=nonsense\n").unwrap();
    launch.start().stop();
    assert!(launch.folder().join("other.db").exists());

    std::fs::write(launch.folder().join(".env"), "RUNNER_WAITING_LIMIT=none\n").unwrap();
    assert_eq!(launch.run_to_end().0, Some(2));
    std::fs::write(launch.folder().join(".env"), "API_TOKEN=a secret\n").unwrap();
    let (code, output) = launch.with("RUNNER_WAITING_LIMIT", "none").run_to_end();
    assert_eq!(code, Some(2));
    assert!(
        output.contains(".env:1: API_TOKEN") && output.contains("RUNNER_WAITING_LIMIT"),
        "{output}"
    );
    assert!(!output.contains("secret"), "{output}");
}

#[test]
fn limits_beyond_the_file_descriptors_are_configuration_errors() {
    let files = Launch::new()
        .with("SERVICES_FILE", "nope.yaml")
        .with("PROBE_CA_FILE", "nope.pem")
        .with("API_MAX_CONNECTIONS", 1_000_000);
    let (code, output) = files.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    for expected in [
        "SERVICES_FILE: invalid value \"nope.yaml\"",
        "PROBE_CA_FILE: invalid value \"nope.pem\"",
        "API_MAX_CONNECTIONS: invalid value 1000000",
    ] {
        assert!(output.contains(expected), "{expected} in:\n{output}");
    }
    assert!(!files.folder().join("db.db").exists(), "nothing is started");

    let launch = Launch::new().with("RUNNER_POOL_SIZE", 1_000).with("API_MAX_CONNECTIONS", 50);
    let (code, output) = launch.wrapped_in(&["prlimit", "--nofile=64:500"]).run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("RUNNER_POOL_SIZE: invalid value 1000,") && output.contains("at most 322"),
        "{output}"
    );

    // The soft limit is raised to the hard limit.
    let launch = Launch::new().with("RUNNER_POOL_SIZE", 100).with("API_MAX_CONNECTIONS", 50);
    let app = launch.wrapped_in(&["prlimit", "--nofile=32:500"]).start();
    assert_eq!(app.metric("process_max_fds"), Some(500.0));
}

#[test]
fn unusable_ports_and_files_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, output) = Launch::new().with("API_PORT", port).run_to_end();
    assert!(code == Some(1) && output.contains(&format!("127.0.0.1:{port}")), "{output}");
    let (code, output) = Launch::new().with("DB_FILE", "/nowhere/a.db").run_to_end();
    assert!(code == Some(1) && output.contains("/nowhere/a.db"), "{output}");
    let (code, output) = Launch::new().with("PROBE_CA_FILE", "/nowhere/ca.pem").run_to_end();
    assert!(
        code == Some(2) && output.contains("PROBE_CA_FILE: invalid value \"/nowhere/ca.pem\""),
        "{output}"
    );
}
