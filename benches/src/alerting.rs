//! Parts 11 and 12: alerting. A storm of 100,000 services, and one receiver beside 200 that hang.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use service_healthcheck::clock::unix_ms;
use service_healthcheck::storage::sqlite::connection;

use crate::figures::Distribution;
use crate::prepare::{DATABASE, SERVICES_FILE};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{ADDRESSES, Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};

const SERVICES: usize = 100_000;
const GROUPS: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(60);

/// Rounds measured from the moment at which every service begins to fail.
const ROUNDS: u32 = 2;

/// Time for the last probes to end and to be committed.
const REST: Duration = Duration::from_secs(3);

/// Receivers that accept and never respond.
const HUNG: usize = 200;

/// Services of the well receiver, which go down one after another.
const REPORTED: usize = 50;

const REPORTED_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two of them.
const APART: Duration = Duration::from_millis(1_200);

/// Time until the hung channels count as failing.
const SETTLES: Duration = Duration::from_secs(16);

/// Goal for p99 of the time from the start of the failed probe to the request, in milliseconds: 250
/// after the commit, which is at most 200 after the probe.
const DELIVERY_GOAL_MS: f64 = 450.0;

/// Measures a storm and adds the rows.
pub fn storm(table: &mut Table) {
    table.part(
        "11. Alerting: 100,000 services at 60 s go down within 60 s, 1,000 groups, 2 channels",
    );
    let [without, with] = [false, true].map(|alerts| {
        table.progress(if alerts { "  with alerting" } else { "  without alerting" });
        measure_storm(alerts)
    });
    report_storm(table, &without, &with);
}

/// What a storm cost.
struct Storm {
    results: SlotResults,
    cpu_s: f64,
    rss_mib: f64,
    /// Messages on each channel.
    messages: [usize; 2],
    /// Alerts in a delivered notification, on each channel.
    members: [i64; 2],
}

fn measure_storm(has_alerts: bool) -> Storm {
    let target = Target::start(&Behaviour::Switched);
    let receivers = [0, 1].map(|_| Target::start(&Behaviour::Holding(0)));
    let folder = program::folder();
    write_storm(folder.path(), target.port, has_alerts.then_some(&receivers));
    // Most services fail together although the network is up: one healthy canary proves it.
    let canary = format!("tcp://{}", receivers[0].address(0));
    let settings = [("SERVICES_FILE", SERVICES_FILE), ("SELF_CHECK_TARGETS", &*canary)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    program::wait_for("the services", || {
        (program.metrics().services() >= SERVICES as f64).then_some(())
    });
    std::thread::sleep(2 * INTERVAL + REST);
    receivers.iter().for_each(|receiver| drop(receiver.held_ms()));
    target.switch();
    let (from, cpu) = (unix_ms(), program.cpu());
    let slots = from..from + (ROUNDS * INTERVAL).as_millis() as i64;
    let mut rss_mib: f64 = 0.0;
    while unix_ms() < slots.end + REST.as_millis() as i64 {
        rss_mib = rss_mib.max(program.rss_mib().0);
        std::thread::sleep(Duration::from_millis(500));
    }
    let cpu_s = program.cpu().us_since(&cpu) / 1e6;
    let messages = [0, 1].map(|nth: usize| receivers[nth].held_ms().len());
    let ids = 1..SERVICES as i64 + 1;
    let results = SlotResults::of(&mut Ticks::of(folder.path()), &ids, INTERVAL, &slots);
    let members = [1, 2].map(|channel| delivered_alerts(folder.path(), channel));
    Storm { results, cpu_s, rss_mib, messages, members }
}

fn write_storm(folder: &Path, port: u16, receivers: Option<&[Target; 2]>) {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(receivers) = receivers {
        text.push_str("alerting:\n  channels:\n");
        for (name, receiver) in ["a", "b"].iter().zip(receivers) {
            let _ = writeln!(
                text,
                "    - {{name: {name}, type: webhook, url: 'http://{}/'}}",
                receiver.address(0)
            );
        }
        text.push_str("  policies:\n    - {name: all, channels: [a, b], failure-threshold: 1}\n");
    }
    text.push_str("endpoints:\n");
    for nth in 0..SERVICES {
        let (last, group) = (1 + nth % usize::from(ADDRESSES), nth % GROUPS);
        let _ = writeln!(
            text,
            "  - {{name: service-{nth}, group: group-{group}, \
             url: 'http://127.0.0.{last}:{port}/{nth}', interval: 60s, conditions: \
             ['[STATUS] == 200'], client: {{timeout: 15s}}}}"
        );
    }
    std::fs::write(folder.join(SERVICES_FILE), text).expect("a file");
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn numbers(folder: &Path, query: &str) -> Vec<i64> {
    let file = folder.join(DATABASE);
    let mut connection = connection::reader(&file.to_string_lossy()).expect("a connection");
    let rows: Vec<Number> = diesel::sql_query(query).load(&mut connection).expect("rows");
    rows.into_iter().map(|row| row.number).collect()
}

fn delivered_alerts(folder: &Path, channel: i64) -> i64 {
    let query = format!(
        "SELECT count(DISTINCT alert_id) AS number FROM notification_alerts \
         JOIN notifications ON notifications.id = notification_id \
         WHERE delivered > 0 AND channel_id = {channel}"
    );
    numbers(folder, &query)[0]
}

fn report_storm(table: &mut Table, without: &Storm, with: &Storm) {
    for (name, storm) in [("without", without), ("with", with)] {
        let what = format!("{name} alerting: lateness while the services go down");
        table.row(Row::new(what, storm.results.summary()));
    }
    let p99 = |storm: &Storm| storm.results.lateness_ms.at(0.99);
    let later = p99(with) - p99(without);
    table.row(
        Row::new("p99 of the lateness beyond that without alerting", format!("{later:+.1} ms"))
            .goal("≤ 5 ms", later <= 5.0 && with.results.missed == 0),
    );
    let most = with.messages.iter().max().copied().unwrap_or_default();
    table.row(
        Row::new("messages in two minutes", format!("{:?} on the channels", with.messages))
            .goal("1 to 4 a channel", (1..=4).contains(&most)),
    );
    let all = with.members.iter().all(|members| *members == SERVICES as i64);
    table.row(
        Row::new("alerts that are in a delivered message", format!("{:?}", with.members))
            .goal("100,000 on each channel", all),
    );
    let grown = with.rss_mib - without.rss_mib;
    table.row(
        Row::new(
            "largest RSS",
            format!("{:.1} MiB; {:.1} without alerting", with.rss_mib, without.rss_mib),
        )
        .goal("+ ≤ 40 MiB", grown <= 40.0),
    );
    let cpu_s = with.cpu_s - without.cpu_s;
    table.row(
        Row::new("CPU of signals, settlements and messages", format!("{cpu_s:.1} s"))
            .goal("≤ 10 s", cpu_s <= 10.0),
    );
}

/// Measures a receiver beside others that hang, and adds the rows.
pub fn receivers(table: &mut Table) {
    table.part("12. Alerting: 200 receivers hang, one does not");
    let target = Target::start(&Behaviour::FailingInTurn(APART.as_millis() as u64));
    let (hung, well) = (Target::start(&Behaviour::Silent), Target::start(&Behaviour::Holding(0)));
    let folder = program::folder();
    write_hung(folder.path(), &target, &hung, &well);
    let settings = [("SERVICES_FILE", SERVICES_FILE), ("SELF_CHECK_TARGETS", "")];
    let _program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(SETTLES + APART * REPORTED as u32 + REST);
    let waits = numbers(
        folder.path(),
        "SELECT deliveries.at_ms - alerts.since_ms AS number FROM deliveries \
         JOIN channels ON channels.id = deliveries.channel_id AND channels.name = 'well' \
         JOIN notification_alerts AS members \
             ON members.notification_id = deliveries.notification_id \
         JOIN alerts ON alerts.id = members.alert_id \
         WHERE deliveries.revision = 1 AND deliveries.outcome = 'delivered'",
    );
    let waits = Distribution::of(waits.into_iter().map(|ms| ms as f64));
    let all = waits.len() == REPORTED;
    table.row(
        Row::new(
            format!("from the failed probe to its message, {} of {REPORTED}", waits.len()),
            waits.summary(0, "ms"),
        )
        .goal("p99 ≤ 450 ms", all && waits.at(0.99) <= DELIVERY_GOAL_MS),
    );
    let peak = hung.peak();
    table.row(
        Row::new("requests at the hung receivers at once", format!("at most {peak}"))
            .goal("1 to 32", (1..=32).contains(&peak)),
    );
}

fn write_hung(folder: &Path, target: &Target, hung: &Target, well: &Target) {
    let well = format!(
        "    - {{name: well, type: webhook, url: 'http://{}/', refill: 1s}}\n",
        well.address(0)
    );
    let mut text = format!("alerting:\n  channels:\n{well}");
    let mut endpoints = String::from("endpoints:\n");
    let mut endpoint = |channel: &str, nth: usize, turn: usize| {
        // Writing to a string cannot fail.
        let _ = writeln!(
            endpoints,
            "  - {{name: {channel}-{nth}, url: 'http://{}/{turn}', interval: {}ms, conditions: \
             ['[STATUS] == 200'], alerts: [{{channel: {channel}, failure-threshold: 1}}]}}",
            target.address(nth),
            REPORTED_INTERVAL.as_millis(),
        );
    };
    for nth in 0..HUNG {
        let channel = format!("hung-{nth}");
        let url = format!("http://{}/", hung.address(nth));
        let _ = writeln!(text, "    - {{name: {channel}, type: webhook, url: '{url}'}}");
        endpoint(&channel, nth, 0);
    }
    let settles = SETTLES.as_millis().div_ceil(APART.as_millis()) as usize;
    for nth in 0..REPORTED {
        endpoint("well", nth, settles + nth);
    }
    std::fs::write(folder.join(SERVICES_FILE), text + &endpoints).expect("a file");
}
