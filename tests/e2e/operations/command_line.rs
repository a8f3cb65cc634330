//! Commands and exit codes.

use crate::support::{Behaviour, Launch, Target};

#[test]
fn help_and_version_exit_with_0_and_wrong_use_with_2() {
    let launch = Launch::new();
    let (code, output) = launch.run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["run", "import", "health"] {
        assert!(output.contains(word), "{output}");
    }
    let (code, output) = launch.run(&["--version"]);
    assert_eq!(
        (code, output.trim()),
        (Some(0), concat!("service-healthcheck ", env!("CARGO_PKG_VERSION")))
    );
    for wrong in [&["walk"][..], &[], &["run", "--fast"], &["import"], &["import", "go-db"]] {
        assert_eq!(launch.run(wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn the_health_command_checks_the_running_service() {
    let app = Launch::new().start();
    let port = app.address().rsplit(':').next().unwrap().to_owned();
    let asks = Launch::new().with("API_PORT", &port);
    assert_eq!(asks.run(&["health"]).0, Some(0));
    app.stop();
    let (code, output) = asks.run(&["health"]);
    assert!(code == Some(1) && output.contains(&port), "{output}");
}

#[test]
fn the_probe_command_prints_result_and_phases() {
    let (launch, target) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let (code, output) = launch.run(&["probe", &target.url()]);
    assert_eq!(code, Some(1));
    assert!(output.contains("status: 503 Service Unavailable"), "{output}");
    assert!(
        output.contains(&format!("status 503, HTTP 1.1, 127.0.0.1:{}", target.port())),
        "{output}"
    );
    assert!(output.contains("processing") && output.contains('█'), "{output}");
    let (code, output) = launch.run(&["probe", "ftp://a"]);
    assert!(code == Some(2) && output.contains("URL: invalid value \"ftp://a\""), "{output}");
    assert!(!launch.folder().join("db.db").exists(), "nothing is recorded");
}

#[test]
fn without_a_service_the_log_shows_how_to_add_the_first() {
    let app = Launch::new().start();
    app.wait_for_log("no service is watched yet");
    let log = app.log();
    let (_, line) = log.split_once("add the first one with: ").unwrap();
    let line = line.lines().next().unwrap();
    assert!(line.starts_with("curl -X POST http://localhost:"), "{line}");
    // The logged command works; only its host name need not resolve to 127.0.0.1 here.
    let (_, body) = line.split_once("-d '").unwrap();
    let body: serde_json::Value = serde_json::from_str(body.trim_end_matches('\'')).unwrap();
    assert_eq!(app.send("POST", "/v1/services", &body).status, 201);
}
