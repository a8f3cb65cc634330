//! Files that hang, such as a FIFO without a writer or a network mount that does not respond.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, OFlags, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Authority, Launch, Shape, Target, wait_for};

/// A FIFO; opening it hangs until the other side opens it too.
fn fifo(path: &Path) {
    let _ = std::fs::remove_file(path);
    mkfifoat(CWD, path, 0o600.into()).unwrap();
}

/// Waits until the program reads the FIFO. It then hangs for as long as the result lives.
fn wait_for_reader(path: &Path) -> File {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    wait_for("the program to read the file", || {
        OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
    })
}

#[test]
fn a_file_that_hangs_at_the_start_does_not_hold_a_stop_back() {
    for variable in ["SERVICES_FILE", "PROBE_CA_FILE"] {
        let launch = Launch::new().with(variable, "fifo");
        let path = launch.folder().join("fifo");
        fifo(&path);
        let mut child = launch.command(&["run"]).stderr(Stdio::null()).spawn().unwrap();
        let _writer = wait_for_reader(&path);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        // The deadline of the file would end the program with 2.
        assert_eq!(child.wait().unwrap().code(), Some(0), "{variable}");
    }
}

#[test]
fn a_file_that_hangs_at_a_reload_does_not_hold_a_stop_back() {
    let target = Target::healthy();
    let entry = format!("endpoints:\n  - {{name: a, url: '{}'}}\n", target.url());
    let launch = Launch::new().with_services_file(&entry);
    let app = launch.start();
    let id = app.get("/v1/services").list("services")[0]["id"].as_i64().unwrap();
    let path = launch.folder().join("services.yaml");
    fifo(&path);
    app.signal(Signal::HUP);
    let _writer = wait_for_reader(&path);
    let ticks = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap_or(0);
    app.wait_for_ticks(id, ticks + 2);
    app.stop();
}

#[test]
fn a_certificate_file_that_hangs_is_a_local_fault_and_holds_no_other_probe_back() {
    let authority = Authority::new();
    let server = authority.serve_shape(Shape::Good);
    let target = Target::healthy();
    let launch = Launch::new();
    let file = launch.folder().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let secured = server.url("https");
    let entries = format!(
        "endpoints:\n  - {{name: secured, url: '{secured}', client: {{timeout: 1s, tls: {{ca-file: \
         ca.pem}}}}}}\n  - {{name: plain, url: '{}'}}\n",
        target.url()
    );
    let app = launch.with_services_file(&entries).start();
    let ids: Vec<i64> = app
        .get("/v1/services")
        .list("services")
        .iter()
        .map(|service| service["id"].as_i64().unwrap())
        .collect();
    app.wait_for_state(ids[0], "up");
    fifo(&file);
    let _writer = wait_for_reader(&file);
    let local = "service_healthcheck_probes_total{result=\"local\",reason=\"local_config\"}";
    app.wait_for_metric(local, 2.0);
    let ticks = app.service(ids[1])["metric"]["data"]["tick_count"].as_u64().unwrap();
    app.wait_for_ticks(ids[1], ticks + 3);
    let events = app.get(&format!("/v1/services/{}/events?event=downtime", ids[0]));
    assert_eq!(events.list("events"), [json!(null); 0], "{}", events.text);
    app.stop();
}

#[test]
fn endless_and_hanging_files_are_configuration_errors() {
    let endless =
        Launch::new().with("SERVICES_FILE", "/dev/zero").with("PROBE_CA_FILE", "/dev/zero");
    let (code, output) = endless.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    for expected in ["SERVICES_FILE: invalid value \"/dev/zero\"", "PROBE_CA_FILE: invalid value"] {
        assert!(output.contains(expected) && output.contains("larger than"), "{output}");
    }
    let (code, output) = endless.run(&["check-file", "/dev/zero"]);
    assert!(code == Some(2) && output.contains("larger than"), "{output}");

    // A hanging `.env` is the same for every command.
    let launch = Launch::new();
    fifo(&launch.folder().join(".env"));
    let (code, output) = launch.run(&["check-file", "/dev/zero"]);
    assert!(code == Some(2) && output.contains(".env: not read within 10s"), "{output}");
}
