//! External checks: plugins that follow the guidelines of Nagios.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::plugins::{Redis, wait_for_pids, wait_until_ended, write_plugin};
use crate::support::{Launch, Peer, ProbeReport, Target, wait_for};

/// Probes with a plugin and its arguments, and a condition unless it is empty.
fn probe(launch: &Launch, plugin: &str, args: &[&str], condition: &str) -> ProbeReport {
    let command = launch.probe_command(&format!("exec://{plugin}")).options(json!({"args": args}));
    match condition {
        "" => command.run(),
        condition => command.condition(condition).run(),
    }
}

#[test]
fn a_plugin_of_debian_checks_a_real_redis() {
    let launch = Launch::new().with_debian_plugins();
    let mut redis = Redis::start();
    let socket = redis.socket().display().to_string();
    let ping = ["-E", "-H", &socket, "-s", "PING\\r\\n", "-e", "+PONG", "-q", "QUIT\\r\\n"];
    let good = probe(&launch, "check_tcp", &ping, "[BODY].perfdata.time < 60");
    good.assert_up();
    let plugin = &good.outcome["plugin"];
    assert_eq!((&plugin["state"], &plugin["exit_code"]), (&json!("OK"), &json!(0)), "{plugin}");
    assert!(plugin["text"].as_str().unwrap().starts_with("TCP OK"), "{plugin}");
    let time = &plugin["perfdata"][0];
    assert_eq!((&time["label"], &time["unit"]), (&json!("time"), &json!("s")), "{plugin}");
    assert!(time["value"].as_f64().unwrap() > 0.0, "{plugin}");
    let other = ["-E", "-H", &socket, "-s", "PING\\r\\n", "-e", "+GONG"];
    let warning = probe(&launch, "check_tcp", &other, "");
    warning.assert_up();
    assert_eq!(warning.outcome["plugin"]["state"], "WARNING", "{warning:?}");
    redis.kill();
    probe(&launch, "check_tcp", &ping, "").assert_failed("status", "Connection refused");
}

#[test]
fn plugins_of_debian_are_judged_by_their_exit_codes_and_by_conditions() {
    let launch = Launch::new().with_debian_plugins();
    let dummy =
        |state: &str, condition| probe(&launch, "check_dummy", &[state, "as asked"], condition);
    dummy("0", "").assert_up();
    let warning = dummy("1", "");
    warning.assert_up();
    assert_eq!(warning.outcome["http_status"], 1, "kept with the result");
    assert_eq!(warning.outcome["plugin"]["text"], "WARNING: as asked");
    dummy("2", "").assert_failed("status", "CRITICAL: as asked");
    dummy("3", "").assert_failed("local_plugin", "UNKNOWN: as asked");
    dummy("1", "[STATUS] == 0").assert_failed("condition", "[STATUS] (1) == 0");
    dummy("3", "[STATUS] == 0").assert_failed("condition", "[STATUS] (3) == 0");
    dummy("3", "[BODY] == x").assert_failed("local_plugin", "UNKNOWN: as asked");
    dummy("0", "[BODY] == OK: as asked").assert_up();
    probe(&launch, "check_dummy", &[], "").assert_failed("local_plugin", "UNKNOWN");

    let disk = probe(&launch, "check_disk", &["-w", "0", "-c", "0", "-p", "/"], "");
    let value = &disk.outcome["plugin"]["perfdata"][0];
    assert_eq!((&value["label"], &value["unit"]), (&json!("/"), &json!("B")), "{disk:?}");
    let used = "[BODY].perfdata[\"/\"] > 0";
    probe(&launch, "check_disk", &["-w", "0", "-c", "0", "-p", "/"], used).assert_up();
    let target = Target::healthy();
    let port = target.port().to_string();
    probe(&launch, "check_http", &["-I", "127.0.0.1", "-p", &port], "").assert_up();
    // A link to check_tcp, which speaks the protocol of its name.
    let ftp = Peer::tcp(|wire| {
        wire.write_all(b"220 ready\r\n")?;
        wire.read_exact(&mut [0])
    });
    let port = ftp.port().to_string();
    let greeted = probe(&launch, "check_ftp", &["-H", "127.0.0.1", "-p", &port], "");
    greeted.assert_up();
    assert!(greeted.outcome["plugin"]["text"].as_str().unwrap().contains("FTP OK"), "{greeted:?}");
}

#[test]
fn a_plugin_has_no_shell_no_input_and_a_clean_environment() {
    let script = "\
        pid=$$\n\
        echo \"OK $#:$1:$2:$3|files=$(ulimit -n) memory=$(ulimit -v)KB core=$(ulimit -c) \
            leads=$(($(cut -d' ' -f5 /proc/$pid/stat) == pid)) \
            sigpipe=$((0x$(grep SigIgn /proc/$pid/status | cut -f2) & 0x1000))\"\n\
        echo \"$(readlink /proc/$pid/fd/0) $(pwd) $(tr '\\0' ' ' </proc/$pid/environ)\" >\"$4\"";
    let launch = Launch::new()
        .with_plugin("shows", script)
        .with("SECRET_OF_THE_MONITOR", "x")
        .with("PLUGINS_MEMORY_LIMIT_BYTES", 256 << 20);
    let file = launch.folder().join("shown");
    let args = ["a b", "$(id); `id` *", "", file.to_str().unwrap()];
    let probed = probe(&launch, "shows", &args, "");
    probed.assert_up();
    let plugin = &probed.outcome["plugin"];
    assert_eq!(plugin["text"], "OK 4:a b:$(id); `id` *:");
    let value = |label: &str| {
        let values = plugin["perfdata"].as_array().unwrap();
        values.iter().find(|value| value["label"] == label).unwrap()["value"].clone()
    };
    let limits = [value("files"), value("memory"), value("core")];
    assert_eq!(limits, [json!(1024), json!(256 * 1024), json!(0)]);
    assert_eq!([value("leads"), value("sigpipe")], [json!(1), json!(0)]);
    let shown = std::fs::read_to_string(file).unwrap();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut words: Vec<&str> = shown.split_whitespace().collect();
    words[2..].sort_unstable();
    assert_eq!(words, ["/dev/null", "/", "LANG=C.UTF-8", &format!("PATH={path}")]);
}

#[test]
fn a_plugin_is_limited_in_time_memory_and_output() {
    let launch = Launch::new()
        .with_plugin("hangs", "sleep 600 & echo $$ $! >\"$1\"; wait")
        .with_plugin("grows", "head -c 300M /dev/zero | tail -c 300M >/dev/null || exit 2")
        .with_plugin("floods", "exec yes")
        .with_plugin("crashes", "kill -SEGV $$")
        .with_plugin("strays", "echo why >&2; exit 9");
    let file = launch.folder().join("pids");
    let options = json!({"args": [file]});
    // Long enough that the plugin has started.
    let command = launch.probe_command("exec://hangs").options(options).timeout(3.0);
    command.run().assert_failed("timeout", "still waiting for the response");
    for pid in wait_for_pids(&file) {
        wait_until_ended(pid);
    }
    let small = launch.clone().with("PLUGINS_MEMORY_LIMIT_BYTES", 128 << 20);
    probe(&small, "grows", &[], "").assert_failed("status", "memory exhausted");
    let large = launch.clone().with("PLUGINS_MEMORY_LIMIT_BYTES", 1 << 30);
    probe(&large, "grows", &[], "").assert_up();
    let flood = probe(&launch, "floods", &[], "");
    flood.assert_failed("local_plugin", "an output of more than 1048576 bytes");
    let crash = probe(&launch, "crashes", &[], "");
    crash.assert_failed("local_plugin", "the plugin was ended by signal 11");
    let stray = probe(&launch, "strays", &[], "");
    stray.assert_failed("local_plugin", "exit code 9 is none of 0 to 3: why");
}

#[test]
fn only_plugins_of_the_folder_run_and_only_where_it_is_set() {
    const SENTENCE: &str = "invalid value \"exec://good\", expected another target: exec targets \
        need the setting PLUGINS_DIR";
    let without = Launch::new();
    let (code, output) = without.run(&["probe", "exec://good"]);
    assert_eq!((code, output.trim()), (Some(2), format!("URL: {SENTENCE}").as_str()));
    let file = "endpoints:\n  - name: a\n    url: exec://good\n";
    let path = without.write_file("plugins.yaml", file);
    let (code, output) = without.run(&["check-file", path.to_str().unwrap()]);
    assert!(code == Some(2) && output.contains(&format!("url: {SENTENCE}")), "{output}");
    let (code, output) = without.clone().with_services_file(file).run_to_end();
    assert!(code == Some(2) && output.contains(&format!("url: {SENTENCE}")), "{output}");
    let app = without.start();
    let body = json!({"name": "a", "url": "exec://good"});
    assert_eq!(app.rejected("POST", "/v1/services", &body), format!("url: {SENTENCE}"));
    let id = app.add("b", "http://127.0.0.1:1/");
    let path = format!("/v1/services/{id}");
    let change = json!({"url": "exec://good"});
    assert_eq!(app.rejected("PATCH", &path, &change), format!("url: {SENTENCE}"));

    let launch = Launch::new().with_plugin("good", "echo fine");
    let plugins = launch.folder().join("plugins");
    write_plugin(&launch.folder().join("outside"), "echo outside");
    symlink("../outside", plugins.join("leaves")).unwrap();
    std::fs::write(plugins.join("data"), "x").unwrap();
    probe(&launch, "good", &[], "").assert_up();
    for (plugin, why) in [
        ("missing", "no such plugin"),
        ("leaves", "a symbolic link that leaves PLUGINS_DIR"),
        ("data", "not executable"),
    ] {
        probe(&launch, plugin, &[], "").assert_failed("local_config", why);
    }
    let (code, output) = launch.run(&["probe", "exec://../outside"]);
    assert!(code == Some(2) && output.starts_with("URL: invalid value"), "{output}");
    let unset = launch.with("PLUGINS_DIR", "/no/such/folder");
    let (code, output) = unset.run_to_end();
    assert!(code == Some(2) && output.contains("PLUGINS_DIR: invalid value"), "{output}");
}

#[test]
fn the_api_and_the_metrics_show_results_and_mask_arguments() {
    let script = "echo \"it got $2|'a b'=0.5s;1;2;0;10 n=7 u=U\"; exit $1";
    let launch = Launch::new().with_plugin("says", script).with_plugin("other", "exit 2");
    let app = launch.start();
    app.wait_for_log("every program on this machine may run plugins");
    let body = json!({"name": "a", "url": "exec://says", "args": ["1", "--token=s3cret-token"]});
    let id = app.add_with(&body);
    let path = format!("/v1/services/{id}");
    app.wait_for_state(id, "up");
    let series = format!("{{service_id=\"{id}\",name=\"a\",group=\"\"");
    let value = |start: &str| app.wait_for_metric(start, 0.0);
    assert_eq!(value(&format!("probe_plugin_exit_code{series}}}")), 1.0);
    let perfdata = |label: &str, unit: &str| {
        format!("probe_plugin_perfdata{series},label=\"{label}\",unit=\"{unit}\"}}")
    };
    assert_eq!(value(&perfdata("a b", "s")), 0.5);
    assert_eq!(value(&perfdata("n", "")), 7.0);
    assert!(!app.get("/metrics").text.contains("label=\"u\""), "a value that is not known");

    // 429 while a probe of the schedule runs.
    let probed = || {
        wait_for("a probe on demand", || {
            let reply = app.request("POST", &format!("{path}/probe"), &[], "");
            Some(reply.body["data"]["probe"]["data"]["plugin"].clone()).filter(Value::is_object)
        })
    };
    assert_eq!(
        probed(),
        json!({
            "state": "WARNING", "exit_code": 1, "text": "it got --token=***",
            "perfdata": [
                {"label": "a b", "value": 0.5, "unit": "s", "warning": "1", "critical": "2",
                 "min": 0, "max": 10},
                {"label": "n", "value": 7, "unit": "", "warning": null, "critical": null,
                 "min": null, "max": null},
                {"label": "u", "value": null, "unit": "", "warning": null, "critical": null,
                 "min": null, "max": null},
            ]
        })
    );
    assert_eq!(app.service(id)["args"], json!(["***"]));
    // The mask keeps the arguments; another plugin must not receive them unasked.
    app.change(id, &json!({"args": ["***"], "group": "g"}));
    assert_eq!(probed()["exit_code"], 1);
    let errors = app.rejected("PATCH", &path, &json!({"url": "exec://other"}));
    assert!(errors.starts_with("args: required in clear, or null"), "{errors}");
    for bad in [json!("x"), json!([1]), json!(["***", "x"]), json!(["\u{0}"])] {
        let errors = app.rejected("PATCH", &path, &json!({"args": bad}));
        assert!(errors.starts_with("args: invalid value, expected a list"), "{errors}");
    }
    app.change(id, &json!({"url": "exec://other", "args": null}));
    app.wait_for_state(id, "down");
}

#[test]
fn variables_of_the_services_file_are_arguments_and_are_not_shown() {
    let file = "endpoints:\n  - name: a\n    url: exec://says\n    args: [-p, \"${PASS}\", $$5]\n";
    let app = Launch::new()
        .with_plugin("says", "echo \"CRITICAL: $1 $2 $3\"; exit 2")
        .with("PASS", "s3cret-pass")
        .with_services_file(file)
        .start();
    let service = app.wait_for_state(1, "down");
    assert_eq!(service["current_status"]["failure"]["detail"], "CRITICAL: -p *** $5");
    assert!(!app.get("/metrics").text.contains("s3cret"));
}

#[test]
fn a_check_that_a_plugin_cannot_make_is_unknown_and_never_a_downtime() {
    let app = Launch::new().with("RUNNER_HTTP_TIMEOUT_SECONDS", 0.5).with_debian_plugins().start();
    let id = app.add_with(&json!({"name": "a", "url": "exec://check_dummy", "args": ["0"]}));
    app.wait_for_state(id, "up");
    app.change(id, &json!({"args": ["3"]}));
    let service = app.wait_for_state(id, "unknown");
    assert_eq!(service["current_status"]["failure"]["reason"], "local_plugin", "{service}");
    let events = app.get(&format!("/v1/services/{id}/events"));
    assert!(events.list("events").iter().all(|event| event["event"] != "downtime"), "{events:?}");
}

#[test]
fn no_plugin_outlives_the_program() {
    const SCRIPT: &str = "sleep 600 & echo $$ $! >\"$1\"; wait";
    let start = || {
        let launch = Launch::new().with_plugin("hangs", SCRIPT).with("SHUTDOWN_GRACE_SECONDS", 0.5);
        let file = launch.folder().join("pids");
        let app = launch.start();
        app.add_with(&json!({"name": "a", "url": "exec://hangs", "args": [file]}));
        (app, wait_for_pids(&file))
    };
    let (app, pids) = start();
    app.stop();
    pids.into_iter().for_each(wait_until_ended);
    let (app, pids) = start();
    app.kill();
    // The kernel kills the plugin itself; its own children only a shutdown in order.
    wait_until_ended(pids[0]);
    let orphan = rustix::process::Pid::from_raw(pids[1]).unwrap();
    rustix::process::kill_process(orphan, rustix::process::Signal::KILL).unwrap();
}
