//! Configuration from the environment and the `.env` file.

use std::net::TcpListener;

use crate::support::Launch;

#[test]
fn every_problem_of_the_configuration_is_told_and_nothing_is_started() {
    let launch = Launch::new()
        .with("API_PORT", "port")
        .with("RUNNER_POOL_SIZE", "0")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "-1");
    let (code, said) = launch.run_to_end();
    assert_eq!(code, Some(2));
    for told in [
        "API_PORT: invalid value \"port\"",
        "RUNNER_POOL_SIZE: invalid value \"0\"",
        "RUNNER_HTTP_TIMEOUT_SECONDS: invalid value \"-1\"",
    ] {
        assert!(said.contains(told), "{told} in:\n{said}");
    }
    assert_eq!(said.matches(", expected ").count(), 3, "{said}");
    assert!(!launch.folder().join("db.db").exists());
}

#[test]
fn an_env_file_is_read_and_the_real_environment_wins() {
    let launch = Launch::new().with("API_HOST", "127.0.0.1");
    std::fs::write(launch.folder().join(".env"), "DB_FILE=other.db\nAPI_HOST=nonsense\n").unwrap();
    launch.start().stop();
    assert!(launch.folder().join("other.db").exists());

    std::fs::write(launch.folder().join(".env"), "RUNNER_WAITING_LIMIT=none\n").unwrap();
    assert_eq!(launch.run_to_end().0, Some(2));
    std::fs::write(launch.folder().join(".env"), "API_TOKEN=a secret\n").unwrap();
    let (code, said) = launch.with("RUNNER_WAITING_LIMIT", "none").run_to_end();
    assert_eq!(code, Some(2));
    assert!(said.contains(".env:1: API_TOKEN") && said.contains("RUNNER_WAITING_LIMIT"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_pool_that_does_not_fit_in_the_descriptors_is_a_configuration_error() {
    let files = Launch::new()
        .with("SERVICES_FILE", "nope.yaml")
        .with("PROBE_CA_FILE", "nope.pem")
        .with("API_MAX_CONNECTIONS", 1_000_000);
    let (code, said) = files.run_to_end();
    assert_eq!(code, Some(2), "{said}");
    for told in [
        "SERVICES_FILE: invalid value \"nope.yaml\"",
        "PROBE_CA_FILE: invalid value \"nope.pem\"",
        "API_MAX_CONNECTIONS: invalid value 1000000",
    ] {
        assert!(said.contains(told), "{told} in:\n{said}");
    }
    assert!(!files.folder().join("db.db").exists(), "nothing is started");

    let launch = Launch::new().with("RUNNER_POOL_SIZE", 1_000).with("API_MAX_CONNECTIONS", 50);
    let (code, said) = launch.through(&["prlimit", "--nofile=64:500"]).run_to_end();
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("RUNNER_POOL_SIZE: invalid value 1000,") && said.contains("at most 386"),
        "{said}"
    );

    // The soft limit is no hindrance: it is raised to the hard one.
    let launch = Launch::new().with("RUNNER_POOL_SIZE", 100).with("API_MAX_CONNECTIONS", 50);
    let app = launch.through(&["prlimit", "--nofile=32:500"]).start();
    assert_eq!(app.metric("process_max_fds"), Some(500.0));
}

#[test]
fn what_cannot_be_used_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, said) = Launch::new().with("API_PORT", port).run_to_end();
    assert!(code == Some(1) && said.contains(&format!("127.0.0.1:{port}")), "{said}");
    let (code, said) = Launch::new().with("DB_FILE", "/nowhere/a.db").run_to_end();
    assert!(code == Some(1) && said.contains("/nowhere/a.db"), "{said}");
    let (code, said) = Launch::new().with("PROBE_CA_FILE", "/nowhere/ca.pem").run_to_end();
    assert!(
        code == Some(2) && said.contains("PROBE_CA_FILE: invalid value \"/nowhere/ca.pem\""),
        "{said}"
    );
}
