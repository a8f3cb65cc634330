//! The screenshots of the documentation: `make screenshots` writes them to `docs/images`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::{Failure, Outcome, Phases, Reason, ServiceId};
use service_healthcheck::storage::Store;
use service_healthcheck::storage::ledger::Ledger;
use service_healthcheck::storage::sqlite::connection;

use crate::support::browser::{Scheme, browse};
use crate::support::{App, Behaviour, Launch, Target, wait_until};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Outcomes of one commit.
const GROUP: usize = 4_096;

/// Largest picture, so that the repository stays small.
const MAX_BYTES: usize = 150 * 1_024;

/// A service with its past.
struct Example {
    name: &'static str,
    group: &'static str,
    /// Usual response time in milliseconds.
    usual_ms: f64,
    /// Hours ago and length in minutes of each downtime.
    downtimes: &'static [(i64, i64)],
}

const fn example(
    name: &'static str,
    group: &'static str,
    usual_ms: f64,
    downtimes: &'static [(i64, i64)],
) -> Example {
    Example { name, group, usual_ms, downtimes }
}

/// The first one is down.
const EXAMPLES: [Example; 14] = [
    example("payment-gateway", "payments", 84.0, &[(1_900, 200), (700, 30), (9, 14), (0, 6)]),
    example("checkout", "payments", 41.0, &[(1_300, 90)]),
    example("fraud-score", "payments", 132.0, &[(460, 45), (20, 4)]),
    example("invoices", "payments", 61.0, &[]),
    example("shop", "web", 58.0, &[(1_520, 25)]),
    example("search", "web", 23.0, &[]),
    example("images", "web", 12.0, &[(200, 600)]),
    example("mail-in", "mail", 18.0, &[]),
    example("mail-out", "mail", 22.0, &[(980, 15)]),
    example("newsletter", "mail", 210.0, &[]),
    example("sign-in", "core", 37.0, &[(1_100, 12)]),
    example("sessions", "core", 6.0, &[]),
    example("files", "core", 48.0, &[]),
    example("old-shop", "web", 75.0, &[(500, 1_200)]),
];

/// The same numbers between 0 and 1 in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

impl Example {
    fn is_down(&self, ago_ms: i64) -> bool {
        self.downtimes.iter().any(|(hours, minutes)| {
            let begin_ms = hours * HOUR_MS + if *hours == 0 { minutes * MINUTE_MS } else { 0 };
            (begin_ms - minutes * MINUTE_MS..=begin_ms).contains(&ago_ms)
        })
    }

    fn outcome(&self, id: ServiceId, at_ms: i64, ago_ms: i64, numbers: &mut Numbers) -> Outcome {
        // Slower by day, and now and then much slower.
        let hour = (at_ms % DAY_MS) as f64 / HOUR_MS as f64;
        let wave = 1.0 + 0.35 * (std::f64::consts::TAU * (hour - 8.0) / 24.0).sin();
        let peak = if numbers.next() > 0.97 { 2.0 } else { 0.0 };
        let ms = self.usual_ms * (0.8 * wave + 0.4 * numbers.next() + peak);
        let part = |share: f64| Duration::from_secs_f64(ms * share / 1e3);
        let failure =
            self.is_down(ago_ms).then(|| Failure::new(Reason::Status, "503 Service Unavailable"));
        Outcome {
            http_status: Some(if failure.is_some() { 503 } else { 200 }),
            phases: Phases {
                resolve: part(0.06),
                connect: part(0.1),
                tls: part(0.2),
                processing: part(0.56),
                transfer: part(0.08),
            },
            ..Outcome::without_details(id, at_ms, part(1.0), failure)
        }
    }
}

/// Writes the last 90 days of the services 1 to 14, the last day by the minute.
fn write_history(launch: &Launch) {
    let store = Store::open_file(&launch.folder().join("db.db")).unwrap();
    let mut writing = connection::writer(&store.name()).unwrap();
    let (now_ms, mut numbers) = (unix_ms(), Numbers(7));
    let hours = (24..90 * 24).map(|hours| hours * HOUR_MS);
    // The newest is so new that the program, which starts next, sees no gap.
    let minutes = (0..24 * 60).map(|minutes| minutes * MINUTE_MS + 1_000);
    let mut ages: Vec<i64> = hours.chain(minutes).collect();
    ages.sort_unstable_by(|one, other| other.cmp(one));
    let mut outcomes = Vec::new();
    for ago_ms in ages {
        for (nth, example) in EXAMPLES.iter().enumerate() {
            let id = ServiceId::new(nth as i64 + 1).unwrap();
            outcomes.push(example.outcome(id, now_ms - ago_ms, ago_ms, &mut numbers));
        }
    }
    let mut ledger = Ledger::default();
    for group in outcomes.chunks(GROUP) {
        ledger.commit(&mut writing, group, now_ms).unwrap();
    }
}

/// A program with 90 days of history; its targets must be kept alive.
fn with_history() -> (App, Vec<Target>) {
    let targets: Vec<Target> = EXAMPLES
        .iter()
        .map(|example| {
            let is_down = example.is_down(0);
            let wait = Duration::from_secs_f64(example.usual_ms / 1e3);
            Target::start(if is_down { Behaviour::Status(503) } else { Behaviour::After(wait) })
        })
        .collect();
    let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "20");
    let app = launch.start();
    for (example, target) in EXAMPLES.iter().zip(&targets) {
        app.add_with(&json!({
            "name": example.name, "group": example.group, "url": target.at("/health"),
            "slo": {"target": 99.9, "window": "30d"}, "enabled": false,
        }));
    }
    let db = app.db();
    app.stop();
    // They exist for as long as their history.
    db.execute("UPDATE services SET created_at = created_at - 8000000, enabled = 1");
    db.execute("DELETE FROM service_events; DELETE FROM service_metrics");
    write_history(&launch);
    let app = launch.start();
    app.pause(EXAMPLES.len() as i64);
    let now_s = unix_ms() / 1_000;
    let maintenance = json!({
        "match": {"name": ["files"]}, "from": now_s + 2, "to": now_s + 7_202, "note": "New disks",
    });
    assert_eq!(app.send("POST", "/v1/maintenance", &maintenance).status, 201);
    app.wait_for_state(1, "down");
    for id in 2..EXAMPLES.len() as i64 {
        app.wait_for_state(id, "up");
    }
    (app, targets)
}

#[test]
fn screenshots_are_small_and_of_pages_without_faults() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
    let folder = PathBuf::from(std::env::var_os("SCREENSHOTS").unwrap_or(default.into()));
    std::fs::create_dir_all(&folder).unwrap();
    let (app, _targets) = with_history();
    browse(&app, |browser| {
        browser.emulate_size(1_200, 800);
        for (name, path, scheme) in [
            ("overview-light", "/", Scheme::Light),
            ("overview-dark", "/", Scheme::Dark),
            ("services-light", "/services", Scheme::Light),
            ("service-light", "/services/1?window=24h", Scheme::Light),
            ("service-dark", "/services/3?window=24h", Scheme::Dark),
            ("wall-dark", "/wall", Scheme::Dark),
        ] {
            browser.emulate_scheme(scheme);
            browser.visit(path);
            wait_until("a fresh page", || browser.attribute("#fresh", "data-live") == "on");
            wait_until("a result in each row", || {
                // The last service is paused.
                let checked =
                    browser.texts("tr[data-id]:not([data-state=paused]) [data-field=checked]");
                checked.iter().all(|age| age != "–")
            });
            let picture = browser.screenshot();
            let size = picture.len();
            assert!(size > 10_000 && size <= MAX_BYTES, "{name}: {size} bytes");
            std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
            browser.check();
        }
    });
}
