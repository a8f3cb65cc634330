//! Commands, configuration and exit codes.

use std::net::TcpListener;

use crate::support::Launch;

#[test]
fn help_and_version_answer_and_wrong_use_is_2() {
    let launch = Launch::new();
    let (code, said) = launch.run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["run", "import", "health"] {
        assert!(said.contains(word), "{said}");
    }
    let (code, said) = launch.run(&["--version"]);
    assert_eq!(
        (code, said.trim()),
        (Some(0), concat!("service-healthcheck ", env!("CARGO_PKG_VERSION")))
    );
    for wrong in [&["walk"][..], &[], &["run", "--fast"], &["import"], &["import", "go-db"]] {
        assert_eq!(launch.run(wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn every_problem_of_the_configuration_is_told_and_nothing_is_started() {
    let launch = Launch::new()
        .with("API_PORT", "port")
        .with("RUNNER_POOL_SIZE", "0")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "-1");
    let (code, said) = launch.run_to_end();
    assert_eq!(code, Some(2));
    for told in
        ["API_PORT: \"port\"", "RUNNER_POOL_SIZE: \"0\"", "RUNNER_HTTP_TIMEOUT_SECONDS: \"-1\""]
    {
        assert!(said.contains(told), "{told} in:\n{said}");
    }
    assert_eq!(said.matches("accepted is").count(), 3, "{said}");
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
        "SERVICES_FILE: \"nope.yaml\"",
        "PROBE_CA_FILE: \"nope.pem\"",
        "API_MAX_CONNECTIONS: 1000000",
    ] {
        assert!(said.contains(told), "{told} in:\n{said}");
    }
    assert!(!files.folder().join("db.db").exists(), "nothing is started");

    let launch = Launch::new().with("RUNNER_POOL_SIZE", 1_000).with("API_MAX_CONNECTIONS", 50);
    let (code, said) = launch.through(&["prlimit", "--nofile=64:500"]).run_to_end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("RUNNER_POOL_SIZE: 1000") && said.contains("at most 386"), "{said}");

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
    assert!(code == Some(2) && said.contains("PROBE_CA_FILE: \"/nowhere/ca.pem\""), "{said}");
}

#[test]
fn health_asks_the_service_that_runs() {
    let app = Launch::new().start();
    let port = app.address().rsplit(':').next().unwrap().to_owned();
    let asks = Launch::new().with("API_PORT", &port);
    assert_eq!(asks.run(&["health"]).0, Some(0));
    app.stop();
    let (code, said) = asks.run(&["health"]);
    assert!(code == Some(1) && said.contains(&port), "{said}");
}

#[test]
fn without_a_service_it_tells_how_to_add_the_first() {
    let app = Launch::new().start();
    app.wait_for_log("no service is watched yet");
    let log = app.log();
    let (_, line) = log.split_once("add the first one with: ").unwrap();
    let line = line.lines().next().unwrap();
    assert!(line.starts_with("curl -X POST http://localhost:"), "{line}");
    // The very line works, but for the name of the host, which need not be 127.0.0.1 here.
    let (_, body) = line.split_once("-d '").unwrap();
    let body: serde_json::Value = serde_json::from_str(body.trim_end_matches('\'')).unwrap();
    assert_eq!(app.send("POST", "/v1/services", &body).status, 201);
}
