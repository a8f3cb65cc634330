//! The services file applied again while the service runs.

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Behaviour, Launch, Store, Target, stores, wait_for, wait_until};

stores!(
    a_changed_file_is_applied_and_running_probes_continue,
    a_changed_file_is_applied_after_the_database_was_locked,
    a_service_of_the_file_moves_between_groups_with_its_history,
);

fn entry(name: &str, url: &str) -> String {
    format!("  - {{name: {name}, url: '{url}'}}\n")
}

fn a_changed_file_is_applied_and_running_probes_continue(store: Store) {
    let (slow, other) = (Target::start(Behaviour::Hung), Target::healthy());
    let launch = Launch::on(store).with("SERVICES_FILE", "services.yaml");
    let stays = entry("stays", &slow.url());
    launch.write_file(
        "services.yaml",
        &format!("endpoints:\n{stays}{}", entry("goes", &other.url())),
    );
    let app = launch.start();
    wait_until("a probe of the service that stays", || slow.request_count() > 0);
    let from_api = app.add("from-api", &other.url());
    launch
        .write_file("services.yaml", &format!("endpoints:\n{stays}{}", entry("new", &other.url())));
    wait_until("the new list", || app.names() == ["stays", "from-api", "new"]);
    app.wait_for_log("entries: 2, added: 1, changed: 0, removed: 1");
    assert_eq!(slow.request_count(), 1, "the running probe was not restarted");
    assert_eq!(app.service(from_api)["origin"], "api");
    let new = app.get("/v1/services?q=new").list("services")[0]["id"].as_i64().unwrap();
    app.wait_for_state(new, "up");
}

#[test]
fn sighup_applies_the_file_at_once() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    launch.write_file("services.yaml", &format!("endpoints:\n{}", entry("a", &target.url())));
    let app = launch.start();
    app.signal(Signal::HUP);
    wait_until("the file to be applied again", || {
        app.log().matches("services file applied").count() == 2
    });
    app.stop();
    let app = Launch::new().start();
    app.signal(Signal::HUP);
    app.wait_for_log("SIGHUP ignored: SERVICES_FILE is not set");
    assert_eq!(app.get("/v1/_internal/health").status, 200);
}

#[test]
fn a_change_of_channels_alone_is_applied_and_a_mistake_in_them_is_not() {
    let target = Target::healthy();
    let write = |launch: &Launch, alerting: &str| {
        let entries = entry("a", &target.url());
        launch.write_file("services.yaml", &format!("alerting:\n{alerting}endpoints:\n{entries}"));
    };
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    let slack = "  slack: {webhook-url: 'https://127.0.0.1:9/'}\n";
    write(&launch, slack);
    let app = launch.start();
    app.wait_for_log("removed: 0, channels: 1, policies: 0");
    write(&launch, &format!("{slack}  policies: [{{channels: slack}}]\n"));
    app.wait_for_log("added: 0, changed: 0, removed: 0, channels: 1, policies: 1");
    write(&launch, "  slack: {webhook_url: 'https://127.0.0.1:9/'}\n");
    app.wait_for_log("services.yaml:2: alerting: slack: webhook_url: unknown key, did you mean");
    assert_eq!(app.log().matches("services file applied").count(), 2);
}

#[test]
fn an_invalid_file_is_logged_and_keeps_the_old_services() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    launch.write_file("services.yaml", &format!("endpoints:\n{}", entry("a", &target.url())));
    let app = launch.start();
    launch
        .write_file("services.yaml", "endpoints:\n  - {name: b, url: 'http://b/', intreval: 3s}\n");
    app.wait_for_log("services.yaml:2: endpoint 1 (b): intreval: unknown key");
    assert_eq!(app.names(), ["a"]);
    let taken = app.add("c", &target.url());
    launch.write_file("services.yaml", &format!("endpoints:\n{}", entry("c", &target.url())));
    app.wait_for_log(&format!("already used by service {taken}"));
    assert_eq!(app.names(), ["a", "c"]);
    launch.write_file("services.yaml", &format!("endpoints:\n{}", entry("d", &target.url())));
    wait_until("the valid file", || app.names() == ["c", "d"]);
    app.db().assert_consistent();
}

#[test]
fn the_files_of_a_directory_form_one_list() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services");
    fs::create_dir_all(launch.folder().join("services/more")).unwrap();
    let list = |name: &str| format!("endpoints:\n{}", entry(name, &target.url()));
    launch.write_file("services/b.yml", &list("b"));
    launch.write_file("services/more/c.yaml", &list("c"));
    launch.write_file("services/a.yaml", &list("a"));
    launch.write_file("services/.hidden.yaml", "not: read");
    launch.write_file("services/notes.txt", "not: read");
    let app = launch.start();
    assert_eq!(app.names(), ["a", "b", "c"]);
    launch.write_file("services/d.yaml", &list("d"));
    wait_until("the new file", || app.names() == ["a", "b", "c", "d"]);
    launch.write_file("services/e.yaml", &list("a"));
    app.wait_for_log(
        "services/e.yaml:2: endpoint (a): name: already used by the entry at services/a.yaml:2",
    );
    assert_eq!(app.names().len(), 4);
}

fn a_changed_file_is_applied_after_the_database_was_locked(store: Store) {
    let target = Target::healthy();
    let entry = |name: &str| format!("  - {{name: {name}, url: '{}'}}\n", target.url());
    let launch = Launch::on(store).with_services_file(&format!("endpoints:\n{}", entry("old")));
    let app = launch.start();
    let lock = app.db().lock();
    launch.write_file("services.yaml", &format!("endpoints:\n{}{}", entry("old"), entry("new")));
    app.wait_for_log("services file not applied");
    drop(lock);
    app.wait_for_log("entries: 2, added: 1, changed: 0, removed: 0");
    app.wait_for_state(2, "up");
}

#[test]
fn sighup_during_a_long_start_does_not_end_it() {
    let entry = |nth| format!("  - {{name: s{nth}, url: http://127.0.0.1:1/, interval: 24h}}\n");
    let text: Vec<String> = (0..30_000).map(entry).collect();
    let launch = Launch::new().with_services_file(&format!("endpoints:\n{}", text.concat()));
    let lock = launch.folder().join("db.db.lock");
    let hangup = std::thread::spawn(move || {
        // Written once the signal handlers are installed, and long before the entries are applied.
        let pid = wait_for("the start to begin", || {
            let text = fs::read_to_string(&lock).ok()?;
            Pid::from_raw(text.strip_prefix("pid ")?.strip_suffix('\n')?.parse().ok()?)
        });
        kill_process(pid, Signal::HUP).unwrap();
        Instant::now()
    });
    let (app, listens) = (launch.start(), Instant::now());
    assert!(hangup.join().unwrap() < listens, "the signal arrived during the start");
    assert_eq!(app.get("/v1/_internal/health").status, 200);
}

fn a_service_of_the_file_moves_between_groups_with_its_history(store: Store) {
    let target = Target::healthy();
    let entry = |group: &str, name: &str| {
        format!("  - {{group: '{group}', name: {name}, url: '{}'}}\n", target.url())
    };
    let list = |entries: &[String]| format!("endpoints:\n{}", entries.concat());
    let launch = Launch::on(store).with_services_file(&list(&[
        entry("core", "api"),
        entry("edge", "api"),
        entry("", "web"),
    ]));
    let app = launch.start();
    for id in [1, 2, 3] {
        app.wait_for_ticks(id, 1);
    }
    launch.write_file(
        "services.yaml",
        &list(&[entry("edge", "api"), entry("core", "api"), entry("front", "web")]),
    );
    app.wait_for_log("entries: 3, added: 0, changed: 1, removed: 0");
    let moved = app.service(3);
    assert_eq!((&moved["group"], &moved["name"]), (&"front".into(), &"web".into()));
    assert!(moved["metric"]["data"]["tick_count"].as_u64().unwrap() >= 1, "{moved}");
    let twice = list(&[entry("edge", "api"), entry("edge", "api")]);
    launch.write_file("services.yaml", &twice);
    app.wait_for_log("services.yaml:3: endpoint (edge/api): name: already used by the entry at");
    app.db().assert_consistent();
}

#[test]
fn a_changed_content_is_applied_whatever_size_and_time_say() {
    let target = Target::healthy();
    let list = |name: &str| format!("endpoints:\n{}", entry(name, &target.url()));
    let launch = Launch::new().with_services_file(&list("one"));
    let file = launch.folder().join("services.yaml");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let app = launch.start();
    app.wait_for_log("services file applied");
    fs::write(&file, list("two")).unwrap();
    let times = fs::FileTimes::new().set_modified(modified);
    fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
    wait_until("the new content", || app.names() == ["two"]);
    // The old file with its old time, as `git checkout` or `cp -p` bring it back.
    let old = launch.folder().join("old.yaml");
    fs::write(&old, list("one")).unwrap();
    fs::File::options().write(true).open(&old).unwrap().set_times(times).unwrap();
    fs::rename(old, &file).unwrap();
    wait_until("the old content", || app.names() == ["one"]);
    assert_eq!(app.log().matches("services file applied").count(), 3);
}
