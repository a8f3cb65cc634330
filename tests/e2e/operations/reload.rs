//! The services file applied again while the service runs, and looked at before.

use std::path::{Path, PathBuf};

use crate::support::{App, Behaviour, Launch, Target, wait_for};
use rustix::process::Signal;

fn write(launch: &Launch, name: &str, text: &str) -> PathBuf {
    let file = launch.folder().join(name);
    // As a careful editor does: never half a file under the name.
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, &file).unwrap();
    file
}

fn names(app: &App) -> Vec<String> {
    let list = app.get("/v1/services");
    list.list("services").iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn entry(name: &str, url: &str) -> String {
    format!("  - {{name: {name}, url: '{url}'}}\n")
}

#[test]
fn a_changed_file_is_applied_and_probes_under_way_go_on() {
    let (slow, other) = (Target::start(Behaviour::Hung), Target::healthy());
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    let stays = entry("stays", &slow.url());
    write(&launch, "services.yaml", &format!("endpoints:\n{stays}{}", entry("goes", &other.url())));
    let app = launch.start();
    wait_for("a probe of what stays", || (slow.hits() > 0).then_some(()));
    let by_hand = app.add("by-hand", &other.url());
    write(&launch, "services.yaml", &format!("endpoints:\n{stays}{}", entry("new", &other.url())));
    wait_for("the new list", || (names(&app) == ["stays", "by-hand", "new"]).then_some(()));
    app.wait_for_log("entries: 2, added: 1, changed: 0, removed: 1");
    assert_eq!(slow.hits(), 1, "the probe under way was not begun anew");
    assert_eq!(app.service(by_hand)["origin"], "api");
    let new = app.get("/v1/services?q=new").list("services")[0]["id"].as_i64().unwrap();
    app.wait_for_state(new, "up");
}

#[test]
fn sighup_applies_the_file_at_once() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    write(&launch, "services.yaml", &format!("endpoints:\n{}", entry("a", &target.url())));
    let app = launch.start();
    app.signal(Signal::HUP);
    wait_for("it to be applied again", || {
        (app.log().matches("services file applied").count() == 2).then_some(())
    });
    app.stop();
    let app = Launch::new().start();
    app.signal(Signal::HUP);
    app.wait_for_log("there is no SERVICES_FILE");
    assert_eq!(app.get("/v1/_internal/health").status, 200);
}

#[test]
fn a_bad_file_keeps_the_old_state_and_says_why() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml");
    write(&launch, "services.yaml", &format!("endpoints:\n{}", entry("a", &target.url())));
    let app = launch.start();
    write(&launch, "services.yaml", "endpoints:\n  - {name: b, url: 'http://b/', intreval: 3s}\n");
    app.wait_for_log("services.yaml:2: endpoint 1 (b): intreval: unknown key");
    assert_eq!(names(&app), ["a"]);
    let taken = app.add("c", &target.url());
    write(&launch, "services.yaml", &format!("endpoints:\n{}", entry("c", &target.url())));
    app.wait_for_log(&format!("taken by service {taken}"));
    assert_eq!(names(&app), ["a", "c"]);
    write(&launch, "services.yaml", &format!("endpoints:\n{}", entry("d", &target.url())));
    wait_for("the good file", || (names(&app) == ["c", "d"]).then_some(()));
    app.db().assert_consistent();
}

#[test]
fn the_files_of_a_folder_are_one_list() {
    let target = Target::healthy();
    let launch = Launch::new().with("SERVICES_FILE", "services");
    std::fs::create_dir_all(launch.folder().join("services/more")).unwrap();
    let list = |name: &str| format!("endpoints:\n{}", entry(name, &target.url()));
    write(&launch, "services/b.yml", &list("b"));
    write(&launch, "services/more/c.yaml", &list("c"));
    write(&launch, "services/a.yaml", &list("a"));
    write(&launch, "services/.hidden.yaml", "not: read");
    write(&launch, "services/notes.txt", "not: read");
    let app = launch.start();
    assert_eq!(names(&app), ["a", "b", "c"]);
    write(&launch, "services/d.yaml", &list("d"));
    wait_for("the new file", || (names(&app) == ["a", "b", "c", "d"]).then_some(()));
    write(&launch, "services/e.yaml", &list("a"));
    app.wait_for_log(
        "services/e.yaml:2: endpoint (a): name: already used by the entry at services/a.yaml:2",
    );
    assert_eq!(names(&app).len(), 4);
}

#[test]
fn check_file_tells_the_plan_and_changes_nothing() {
    let target = Target::healthy();
    let launch = Launch::new();
    let old = [
        entry("same", &target.url()),
        entry("changes", &target.url()),
        entry("goes", &target.url()),
    ];
    let new = [
        entry("same", &target.url()),
        entry("changes", &target.at("/new")),
        entry("comes", &target.url()),
    ];
    let first = write(&launch, "old.yaml", &format!("endpoints:\n{}", old.concat()));
    let next = write(&launch, "new.yaml", &format!("endpoints:\n{}", new.concat()));
    let check = |launch: &Launch, file: &Path| launch.run(&["check-file", file.to_str().unwrap()]);
    let (code, said) = check(&launch, &first);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("3 added, 0 changed, 0 removed, 0 unchanged\n"), "{said}");
    assert!(!launch.folder().join("db.db").exists());

    let launch = launch.with("SERVICES_FILE", "old.yaml");
    let running = launch.start();
    let (code, said) = check(&launch, &next);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "+ comes ",
        "~ changes (id 2) ",
        "- goes (id 3) ",
        "1 added, 1 changed, 1 removed, 1 unchanged",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert_eq!(names(&running), ["same", "changes", "goes"]);
    let bad = write(&launch, "bad.yaml", "endpoints:\n  - {name: a}\n");
    let (code, said) = check(&launch, &bad);
    assert_eq!(code, Some(2));
    assert!(said.contains("bad.yaml:2: endpoint 1 (a): url: missing"), "{said}");
}
