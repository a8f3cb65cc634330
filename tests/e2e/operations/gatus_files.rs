//! Files in the manner of Gatus's users: each loads, by `check-file` and in the running service.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::{Launch, Target, wait_until};

/// A file, or a folder of files, with the number of services that its first comment states.
struct Example {
    path: PathBuf,
    services: usize,
}

fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/data/gatus");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let stated = |path: &Path| {
        let text = text_of(path);
        let (_, rest) = text.split_once("services: ").unwrap_or_else(|| panic!("{path:?}"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    files.into_iter().map(|path| Example { services: stated(&path), path }).collect()
}

/// The text of the file, or the texts of all files in the folder.
fn text_of(path: &Path) -> String {
    if path.is_file() {
        return std::fs::read_to_string(path).unwrap();
    }
    let inner = std::fs::read_dir(path).unwrap().map(|file| text_of(&file.unwrap().path()));
    inner.collect()
}

/// The environment that the examples need: no variable of a key that is not used.
fn with_variables(launch: Launch) -> Launch {
    [
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
    ]
    .into_iter()
    .fold(launch, |launch, (name, value)| launch.with(name, value))
}

#[test]
fn every_example_loads_by_check_file() {
    let examples = examples();
    assert!(examples.len() >= 20, "{}", examples.len());
    let launch = with_variables(Launch::new());
    for Example { path, services } in examples {
        let (code, output) = launch.run(&["check-file", path.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{path:?}: {output}");
        let expected = format!("{services} added, 0 changed, 0 removed, 0 unchanged\n");
        assert!(output.ends_with(&expected), "{path:?}: {expected} in {output}");
    }
}

#[test]
fn every_example_loads_in_the_running_service() {
    // Nothing is probed: the targets are elsewhere.
    let launch = with_variables(Launch::new())
        .with("PROBE_DENY_NETWORKS", "0.0.0.0/0,::/0")
        .with("PROBE_ALLOW_NETWORKS", "127.0.0.0/8")
        .with("SELF_CHECK_TARGETS", "tcp://127.0.0.1:1")
        .with("SERVICES_FILE", "services");
    let folder = launch.folder().join("services");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("first.yaml"), "endpoints: []\n").unwrap();
    let app = launch.start();
    for (nth, Example { path, services }) in examples().iter().enumerate() {
        replace(&folder, path);
        app.signal(Signal::HUP);
        let applied = nth + 1;
        wait_until(&format!("{path:?} to be applied"), || {
            assert!(!app.log().contains("not applied"), "{path:?}: {}", app.log());
            app.log().matches("services file applied").count() > applied
                && app.names().len() == *services
        });
    }
}

/// Replaces the files in `folder` by `source`.
fn replace(folder: &Path, source: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
    if source.is_file() {
        std::fs::create_dir(folder).unwrap();
        std::fs::copy(source, folder.join("services.yaml")).unwrap();
    } else {
        copy(source, folder);
    }
}

fn copy(source: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for file in std::fs::read_dir(source).unwrap() {
        let file = file.unwrap().path();
        let to = folder.join(file.file_name().unwrap());
        if file.is_dir() {
            copy(&file, &to);
        } else {
            std::fs::copy(&file, to).unwrap();
        }
    }
}

#[test]
fn what_is_not_used_is_listed_once_at_the_start_and_by_check_file() {
    let target = Target::healthy();
    let text = format!(
        "storage: {{type: sqlite, path: \"${{NOT_SET}}\"}}\n\
         alerting: {{slack: {{webhook-url: 'http://127.0.0.1:9/'}}}}\n\
         connectivity: {{checker: {{target: 'one.one.one.one:53'}}}}\nendpoints:\n  \
         - {{name: a, url: '{0}', alerts: [{{type: slack}}]}}\n  \
         - {{name: b, url: '{0}', alerts: [{{type: slack}}], timeout: 5s}}\n",
        target.url()
    );
    let launch = Launch::new().with_services_file(&text);
    let expected = [
        "services.yaml:1: storage: not used: set DB_FILE or DATABASE_URL instead",
        "services.yaml:6: endpoints: timeout: not used, as in Gatus: expected client: timeout",
    ];
    let (code, output) = launch.run(&["check-file", "services.yaml"]);
    assert_eq!(code, Some(0), "{output}");
    for line in expected {
        assert_eq!(output.matches(line).count(), 1, "{line} in {output}");
    }
    assert!(!output.contains("alert"), "they are used: {output}");
    let gatus = "2 of 2 endpoints set no interval: 0.2s here, 60s in Gatus\n\
                 2 of 2 endpoints set no timeout: 30s here, 10s in Gatus\n\
                 for the defaults of Gatus, add this line: \
                 defaults: {interval: 60s, timeout: 10s}\n";
    assert!(output.contains(gatus), "{output}");
    let app = launch.start();
    app.wait_for_state(2, "up");
    app.signal(Signal::HUP);
    wait_until("the reload", || app.log().matches("services file applied").count() == 2);
    for line in expected {
        assert_eq!(app.log().matches(line).count(), 1, "{line} in {}", app.log());
    }
}

#[test]
fn a_canary_of_the_file_is_judged_and_gives_way_to_the_setting() {
    let text = "connectivity: {checker: {target: '169.254.169.254:53'}}\nendpoints: []\n";
    let launch = Launch::new().with_services_file(text);
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    let expected = "services.yaml:1: connectivity: checker: target: invalid value tcp://169.254";
    assert!(output.contains(expected), "{output}");
    let launch = launch.with("SELF_CHECK_TARGETS", "tcp://127.0.0.1:1");
    let (code, output) = launch.run(&["check-file", "services.yaml"]);
    assert_eq!(code, Some(0), "{output}");
    let expected = "services.yaml:1: connectivity: checker: target: not used: SELF_CHECK_TARGETS";
    assert!(output.contains(expected), "{output}");
}
