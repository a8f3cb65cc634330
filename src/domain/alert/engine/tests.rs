//! Scenarios of the engine, on a clock of its own and channels that answer at once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::attempts::{SENDERS, Send};
use super::lane::{LaneSettings, REFILL_MS};
use super::open::Subject;
use super::*;
use crate::domain::alert::alert_record::Acknowledgement;
use crate::domain::alert::kind::Severity;
use crate::domain::alert::notification::{Attempt, NotificationState, NotificationTerms};
use crate::domain::alert::signal::{Edge, Signal};

const STEP_MS: i64 = 100;

/// Suppresses the services of `held`.
#[derive(Default)]
struct Held(BTreeSet<i64>);

impl Suppressions for Held {
    fn of(
        &self,
        service_id: Option<ServiceId>,
        _: &Subject,
        _: AlertKind,
        _: Severity,
        now_ms: i64,
    ) -> Option<(Suppression, i64)> {
        let is_held = service_id.is_some_and(|id| self.0.contains(&id.get()));
        is_held.then_some((Suppression::Silence, now_ms + 1_000))
    }

    fn quiet_until(&self, _: &Route, _: i64) -> Option<i64> {
        None
    }
}

/// A message that a channel received.
#[derive(Debug, Clone, PartialEq)]
struct Received {
    at_ms: i64,
    channel_id: i64,
    notification_id: i64,
    revision: u32,
    state: NotificationState,
    members: Vec<i64>,
}

struct World {
    engine: Engine,
    now_ms: i64,
    routes: Vec<Rc<Route>>,
    held: Held,
    /// Channels that do not answer.
    away: BTreeSet<i64>,
    received: Vec<Received>,
    next_signal: i64,
    /// As stored.
    alerts: BTreeMap<i64, Alert>,
    notifications: BTreeMap<i64, Notification>,
    members: BTreeSet<(i64, i64)>,
    /// Services that were suppressed for a time.
    suppressed: BTreeSet<i64>,
}

fn settings(channel_id: i64) -> LaneSettings {
    LaneSettings {
        channel_id,
        name: format!("channel-{channel_id}"),
        enabled: true,
        system: false,
        recipients: Vec::new(),
        refill_ms: REFILL_MS,
        is_mirror: false,
    }
}

fn rule(channel_id: i64, failures: u32, successes: u32) -> Rc<Route> {
    Rc::new(Route {
        channel: format!("channel-{channel_id}"),
        policy_id: None,
        severity: Severity::Critical,
        step: 0,
        after_ms: 0,
        group: None,
        group_wait_ms: 0,
        group_interval_ms: 60_000,
        terms: NotificationTerms {
            failure_threshold: failures,
            success_threshold: successes,
            send_on_resolved: true,
            rule: Some(u16::try_from(channel_id).unwrap()),
            ..NotificationTerms::default()
        },
    })
}

fn in_group(route: &Rc<Route>, values: &str) -> Rc<Route> {
    let mut route = Route::clone(route);
    route.policy_id = Some(1);
    route.terms.rule = None;
    route.group = Some(values.to_owned());
    route.group_wait_ms = 3_000;
    Rc::new(route)
}

impl World {
    fn new(routes: Vec<Rc<Route>>) -> Self {
        Self {
            engine: Self::restored(&[], &[], &BTreeSet::new()),
            now_ms: 1_000_000,
            routes,
            held: Held::default(),
            away: BTreeSet::new(),
            received: Vec::new(),
            next_signal: 1,
            alerts: BTreeMap::new(),
            notifications: BTreeMap::new(),
            members: BTreeSet::new(),
            suppressed: BTreeSet::new(),
        }
    }

    fn restored(
        alerts: &[Alert],
        notifications: &[Notification],
        members: &BTreeSet<(i64, i64)>,
    ) -> Engine {
        let of = |id: i64| {
            let mine = members.iter().filter(|(_, notification_id)| *notification_id == id);
            mine.map(|(alert_id, _)| *alert_id).collect::<Vec<i64>>()
        };
        let open = notifications.iter().filter(|row| row.closed_ms.is_none());
        let state = Restored {
            next_alert_id: alerts.iter().map(|alert| alert.id).max().unwrap_or(0) + 1,
            next_notification_id: notifications.iter().map(|row| row.id).max().unwrap_or(0) + 1,
            alerts: alerts.iter().filter(|alert| alert.is_open()).cloned().collect(),
            notifications: open.map(|row| (row.clone(), of(row.id))).collect(),
            channels: (1..=2).map(|id| (settings(id), None)).collect(),
        };
        Engine::restore(state, false)
    }

    /// The process is killed and starts again from what is stored.
    fn restart(&mut self) {
        let alerts: Vec<Alert> = self.alerts.values().cloned().collect();
        let notifications: Vec<Notification> = self.notifications.values().cloned().collect();
        self.engine = Self::restored(&alerts, &notifications, &self.members);
    }

    fn signal(&mut self, service: i64, edge: Edge, count: u32) {
        let signal = Signal {
            id: self.next_signal,
            service_id: ServiceId::new(service).unwrap(),
            kind: AlertKind::Down,
            edge,
            count,
            at_ms: self.now_ms,
            since_ms: self.now_ms,
            facts: Facts::default(),
        };
        self.next_signal += 1;
        let name = format!("service-{service}").into();
        let subject = Rc::new(Subject { name, group: None });
        let service = Routed { subject, url: "", routes: &self.routes };
        let env = Env { now_ms: self.now_ms, suppressions: &self.held };
        self.engine.signal(&signal, Some(&service), &env);
    }

    fn down(&mut self, service: i64, count: u32) {
        self.signal(service, Edge::Begin, count);
    }

    fn up(&mut self, service: i64, count: u32) {
        self.signal(service, Edge::End, count);
    }

    fn tick(&mut self) {
        let env = Env { now_ms: self.now_ms, suppressions: &self.held };
        self.engine.tick(&env);
    }

    fn settle(&mut self) {
        while let Some(settlement) = self.engine.take_settlement() {
            for mut alert in settlement.alerts {
                if alert.facts == Facts::default()
                    && let Some(stored) = self.alerts.get(&alert.id)
                {
                    alert.facts = stored.facts.clone();
                }
                self.alerts.insert(alert.id, alert);
            }
            let rows = settlement.notifications.into_iter();
            self.notifications.extend(rows.map(|row| (row.id, row)));
            self.members.extend(settlement.members);
            self.engine.settled();
        }
    }

    /// Runs for a time, in steps of [`STEP_MS`].
    fn run(&mut self, time: Duration) {
        let until_ms = self.now_ms + i64::try_from(time.as_millis()).unwrap();
        while self.now_ms < until_ms {
            self.now_ms += STEP_MS;
            let env = Env { now_ms: self.now_ms, suppressions: &self.held };
            for (id, _) in self.engine.to_route(1_000) {
                self.engine.route(id, &self.routes, &env);
            }
            self.engine.tick(&env);
            self.settle();
            self.send();
            self.settle();
        }
    }

    fn send(&mut self) {
        let env = Env { now_ms: self.now_ms, suppressions: &self.held };
        while let Some(send) = self.engine.next_send(&env) {
            let attempt = if self.away.contains(&send.channel_id) {
                let error = "refused".to_owned();
                Attempt::ChannelFailed { http_status: None, error, retry_after: None }
            } else {
                let open = self.engine.notification(send.notification_id).unwrap();
                self.received.push(Received {
                    at_ms: self.now_ms,
                    channel_id: send.channel_id,
                    notification_id: send.notification_id,
                    revision: send.revision,
                    state: send.state,
                    members: open.members.clone(),
                });
                Attempt::Delivered { http_status: Some(200), reference: None }
            };
            self.engine.attempted(send, attempt, 5, 1.0, self.now_ms);
        }
    }

    fn states(&self, channel_id: i64) -> Vec<NotificationState> {
        let received = self.received.iter().filter(|message| message.channel_id == channel_id);
        received.map(|message| message.state).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

use NotificationState::{Digest, DigestResolved, Firing, Missed, Resolved, Still};

#[test]
fn a_service_that_goes_down_and_up_makes_two_messages() {
    let mut world = World::new(vec![rule(1, 3, 2)]);
    world.down(7, 3);
    world.run(SECOND);
    assert_eq!(world.states(1), [Firing]);
    world.up(7, 2);
    world.run(SECOND);
    assert_eq!(world.states(1), [Firing, Resolved]);
    world.run(HOUR);
    assert_eq!(world.received.len(), 2);
    assert!(world.notifications.values().all(|row| row.closed_ms.is_some()));
    assert!(world.alerts.values().all(|alert| !alert.is_open()));
}

#[test]
fn each_rule_begins_and_ends_at_its_own_thresholds() {
    let mut world = World::new(vec![rule(1, 2, 1), rule(2, 5, 4)]);
    world.down(7, 2);
    world.run(SECOND);
    assert_eq!((world.states(1), world.states(2)), (vec![Firing], vec![]));
    world.down(7, 5);
    world.run(SECOND);
    assert_eq!((world.states(1), world.states(2)), (vec![Firing], vec![Firing]));
    world.up(7, 1);
    world.run(SECOND);
    assert_eq!((world.states(1), world.states(2)), (vec![Firing, Resolved], vec![Firing]));
    // Down again before the second rule took it for ended.
    world.down(7, 2);
    world.run(SECOND);
    assert_eq!(world.states(1), [Firing, Resolved, Firing]);
    world.up(7, 4);
    world.run(SECOND);
    assert_eq!(world.states(1), [Firing, Resolved, Firing, Resolved]);
    assert_eq!(world.states(2), [Firing, Resolved]);
    assert_eq!(world.alerts.len(), 1);
}

#[test]
fn without_send_on_resolved_the_end_is_not_delivered() {
    let mut route = Route::clone(&rule(1, 1, 1));
    route.terms.send_on_resolved = false;
    let mut world = World::new(vec![Rc::new(route)]);
    world.down(7, 1);
    world.run(SECOND);
    world.up(7, 1);
    world.run(MINUTE);
    assert_eq!(world.states(1), [Firing]);
    assert!(world.notifications.values().all(|row| row.closed_ms.is_some()));
}

#[test]
fn what_came_and_went_while_the_receiver_was_away_is_delivered_once() {
    let mut world = World::new(vec![rule(1, 1, 1)]);
    world.away.insert(1);
    world.down(7, 1);
    world.run(10 * MINUTE);
    world.up(7, 1);
    world.run(50 * MINUTE);
    assert_eq!(world.received, []);
    world.away.clear();
    world.run(6 * MINUTE);
    assert_eq!(world.states(1), [Missed]);
    world.run(HOUR);
    assert_eq!(world.received.len(), 1);
}

#[test]
fn a_thousand_alerts_of_an_hour_without_receiver_are_few_messages_within_two_minutes() {
    let mut world = World::new(vec![rule(1, 1, 1)]);
    world.away.insert(1);
    for service in 1..=1_000 {
        world.down(service, 1);
        world.run(Duration::from_secs(3));
    }
    for service in 1..=500 {
        world.up(service, 1);
    }
    world.away.clear();
    // The longest pause between two attempts, and the two minutes.
    world.run(5 * MINUTE + 2 * MINUTE);
    let known: BTreeSet<i64> =
        world.received.iter().flat_map(|message| message.members.iter().copied()).collect();
    assert_eq!(known.len(), 1_000);
    assert!(world.received.len() <= 6, "{:?}", world.states(1));
}

#[test]
fn alerts_of_a_group_wait_for_company_and_five_are_a_digest() {
    let mut world = World::new(vec![in_group(&rule(1, 1, 1), "core")]);
    for service in 1..=4 {
        world.down(service, 1);
    }
    world.run(Duration::from_secs(2));
    assert_eq!(world.received, []);
    world.run(Duration::from_secs(2));
    assert_eq!(world.states(1), [Firing; 4]);
    for service in 11..=15 {
        world.down(service, 1);
    }
    world.run(50 * SECOND);
    assert_eq!(world.received.len(), 4, "later ones wait for the interval of the group");
    world.run(20 * SECOND);
    assert_eq!(world.states(1)[4..], [Digest]);
    for service in 11..=15 {
        world.up(service, 1);
    }
    world.run(MINUTE);
    assert_eq!(world.states(1)[4..], [Digest, DigestResolved]);
}

#[test]
fn a_storm_of_100_000_services_in_1_000_groups_is_few_messages_a_channel() {
    let (first, second) = (rule(1, 1, 1), rule(2, 1, 1));
    let mut world = World::new(Vec::new());
    let mut next = 1;
    for _ in 0..600 {
        for _ in 0..167 {
            let values = format!("group-{}", next % 1_000);
            world.routes = vec![in_group(&first, &values), in_group(&second, &values)];
            world.down(next, 1);
            next += 1;
        }
        world.run(Duration::from_millis(100));
    }
    world.run(MINUTE);
    for channel_id in [1, 2] {
        assert!(world.states(channel_id).len() <= 4, "{:?}", world.states(channel_id));
    }
    world.run(2 * MINUTE);
    let known: BTreeSet<i64> =
        world.received.iter().flat_map(|message| message.members.iter().copied()).collect();
    assert_eq!(known.len(), usize::try_from(next - 1).unwrap());
}

#[test]
fn an_alert_that_ends_while_it_waits_is_one_message() {
    for route in [rule(1, 1, 1), in_group(&rule(1, 1, 1), "core")] {
        let mut world = World::new(vec![route]);
        world.down(7, 1);
        world.up(7, 1);
        world.run(MINUTE);
        assert_eq!(world.states(1), [Missed]);
        assert!(world.notifications.values().all(|row| row.closed_ms.is_some()));
    }
}

#[test]
fn a_suppressed_alert_is_delivered_when_it_still_fires_afterwards() {
    let mut world = World::new(vec![rule(1, 1, 1)]);
    world.held.0.extend([7, 8]);
    world.down(7, 1);
    world.down(8, 1);
    world.run(MINUTE);
    assert_eq!(world.received, []);
    let suppressed_by = world.alerts.values().map(|alert| alert.suppressed_by);
    assert!(suppressed_by.eq([Some(Suppression::Silence); 2]));
    world.up(8, 1);
    world.held.0.clear();
    world.run(MINUTE);
    assert_eq!(world.states(1), [Firing]);
    world.held.0.insert(7);
    world.up(7, 1);
    world.run(SECOND);
    assert_eq!(world.states(1), [Firing, Resolved], "the end of what was delivered is delivered");
}

#[test]
fn reminders_come_until_somebody_acknowledges() {
    let mut route = Route::clone(&rule(1, 1, 1));
    route.terms.reminder_ms = Some(600_000);
    let mut world = World::new(vec![Rc::new(route)]);
    world.down(7, 1);
    world.run(25 * MINUTE);
    assert_eq!(world.states(1), [Firing, Still, Still]);
    let acknowledgement =
        Acknowledgement { at_ms: world.now_ms, by: None, note: None, until_ms: None };
    assert!(world.engine.acknowledge(1, acknowledgement));
    world.run(HOUR);
    assert_eq!(world.received.len(), 3);
    world.up(7, 1);
    world.run(SECOND);
    assert_eq!(world.states(1)[3..], [Resolved]);
}

#[test]
fn the_next_step_of_a_policy_is_notified_unless_the_alert_ended() {
    let mut second = Route::clone(&in_group(&rule(2, 1, 1), ""));
    (second.step, second.after_ms) = (1, 900_000);
    let mut world = World::new(vec![in_group(&rule(1, 1, 1), ""), Rc::new(second)]);
    world.down(7, 1);
    world.down(8, 1);
    world.run(10 * MINUTE);
    world.up(8, 1);
    world.run(10 * MINUTE);
    assert_eq!(world.states(1), [Firing, Firing, Resolved]);
    assert_eq!(world.states(2), [Firing]);
}

#[test]
fn a_restart_tells_nothing_new() {
    let mut world = World::new(vec![rule(1, 1, 1), rule(2, 1, 1)]);
    world.down(7, 1);
    world.run(MINUTE);
    world.restart();
    world.run(HOUR);
    assert_eq!(world.received.len(), 2);
    world.up(7, 1);
    world.run(SECOND);
    assert_eq!(
        (world.states(1), world.states(2)),
        (vec![Firing, Resolved], vec![Firing, Resolved])
    );
}

#[test]
fn a_kill_while_a_group_gathers_loses_nothing() {
    let mut world = World::new(vec![in_group(&rule(1, 1, 1), "core")]);
    world.down(7, 1);
    world.settle();
    world.run(SECOND);
    world.restart();
    world.run(10 * SECOND);
    assert_eq!(world.states(1), [Firing]);
}

#[test]
fn an_alert_of_the_monitor_goes_to_every_channel_or_to_those_meant_for_it() {
    let mut world = World::new(Vec::new());
    let own = OwnAlert {
        kind: AlertKind::Late,
        detail: "the scheduler is late by 5 s".to_owned(),
        since_ms: world.now_ms,
        except: Vec::new(),
    };
    let env = Env { now_ms: world.now_ms, suppressions: &world.held };
    world.engine.raise(&own, &env);
    world.engine.raise(&own, &env);
    world.run(SECOND);
    let env = Env { now_ms: world.now_ms, suppressions: &world.held };
    world.engine.clear(AlertKind::Late, &env);
    world.run(SECOND);
    assert_eq!(
        (world.states(1), world.states(2)),
        (vec![Firing, Resolved], vec![Firing, Resolved])
    );
    let meant = LaneSettings { system: true, ..settings(2) };
    world.engine.set_channels(vec![settings(1), meant], world.now_ms);
    let env = Env { now_ms: world.now_ms, suppressions: &world.held };
    world.engine.raise(&own, &env);
    world.run(SECOND);
    assert_eq!((world.states(1).len(), world.states(2).len()), (2, 3));
}

#[derive(Debug, Clone)]
enum Step {
    Down(i64, u32),
    Up(i64, u32),
    Hold(i64),
    Release,
    Away(i64),
    Back,
    Restart,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..12_i64, 1..4_u32).prop_map(|(service, count)| Step::Down(service, count)),
        4 => (1..12_i64, 1..4_u32).prop_map(|(service, count)| Step::Up(service, count)),
        1 => (1..12_i64).prop_map(Step::Hold),
        1 => Just(Step::Release),
        1 => (1..3_i64).prop_map(Step::Away),
        1 => Just(Step::Back),
        1 => Just(Step::Restart),
        4 => (1..90_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens: in the end every channel knows the end of each begin that it received,
    /// every alert that fires long enough is known, and revisions of a notification are in order.
    #[test]
    fn every_channel_knows_in_the_end_what_is_the_case(
        steps in proptest::collection::vec(step(), 1..60),
        grouped: bool,
    ) {
        let route = |channel, failures, successes| {
            let rule = rule(channel, failures, successes);
            if grouped { in_group(&rule, "all") } else { rule }
        };
        let mut world = World::new(vec![route(1, 1, 1), route(2, 3, 2)]);
        for step in steps {
            match step {
                Step::Down(service, count) => world.down(service, count),
                Step::Up(service, count) => world.up(service, count),
                Step::Hold(service) => {
                    world.held.0.insert(service);
                    world.suppressed.insert(service);
                }
                Step::Release => world.held.0.clear(),
                Step::Away(channel) => _ = world.away.insert(channel),
                Step::Back => world.away.clear(),
                Step::Restart => {
                    world.tick();
                    world.settle();
                    world.restart();
                }
                Step::Wait(seconds) => world.run(Duration::from_secs(seconds)),
            }
        }
        world.held.0.clear();
        world.away.clear();
        for service in 1..6 { world.down(service, 9) }
        for service in 6..12 { world.up(service, 9) }
        world.run(20 * MINUTE);
        let open: BTreeSet<i64> = world.engine.open_alerts().map(|alert| alert.id).collect();
        prop_assert_eq!(open.len(), 5);
        // Each alert that was not suppressed was reported to the channel whose rule it met.
        let is_first = |id: &i64| world.notifications[id].channel_id == 1;
        let of_first = world.members.iter().filter(|(_, id)| is_first(id));
        let reported: BTreeSet<i64> = of_first.map(|(alert_id, _)| *alert_id).collect();
        for (id, alert) in &world.alerts {
            let service = alert.service_id.unwrap().get();
            let is_reported = reported.contains(id) || world.suppressed.contains(&service);
            prop_assert!(is_reported, "alert {} of {}", id, service);
        }
        for channel_id in [1, 2] {
            let mut newest: BTreeMap<i64, &Received> = BTreeMap::new();
            for message in world.received.iter().filter(|it| it.channel_id == channel_id) {
                let before = newest.insert(message.notification_id, message);
                prop_assert!(before.is_none_or(|before| before.revision < message.revision));
            }
            let firing = newest.values().filter(|it| matches!(it.state, Firing | Still | Digest));
            let known: BTreeSet<i64> = firing.flat_map(|it| it.members.clone()).collect();
            prop_assert!(open.iter().all(|id| known.contains(id)), "{:?} {:?}", open, known);
            for message in newest.values() {
                let is_over = message.members.iter().all(|id| !open.contains(id));
                let is_known = matches!(message.state, Resolved | Missed | DigestResolved);
                prop_assert_eq!(is_over, is_known, "{:?}", message);
            }
        }
    }
}

#[test]
fn a_mirror_shows_what_fires_until_it_ends_whatever_suppresses_it_later() {
    let mirror = |id: i64| LaneSettings { is_mirror: id == 2, ..settings(id) };
    let channels = || (1..=2).map(mirror).collect::<Vec<_>>();
    let begins = |world: &mut World| -> Vec<i64> {
        let mirrored = world.engine.take_mirrored().into_iter();
        let begins = mirrored.filter_map(|change| match change {
            Mirrored::Begins { channel_id: 2, alert_id } => Some(alert_id),
            _ => None,
        });
        begins.collect()
    };
    let mut world = World::new(vec![rule(1, 1, 1), rule(2, 1, 1)]);
    world.engine.set_channels(channels(), 0);
    world.held.0.insert(8);
    world.down(7, 1);
    world.down(8, 1);
    world.run(SECOND);
    assert_eq!(begins(&mut world), [1], "the second one is suppressed");
    assert_eq!((world.states(1), world.states(2)), (vec![Firing], vec![]));
    world.held.0.insert(7);
    world.restart();
    world.engine.set_channels(channels(), world.now_ms);
    world.engine.mirror_all();
    world.run(SECOND);
    assert_eq!(begins(&mut world), [1]);
    world.held.0.clear();
    world.run(2 * SECOND);
    assert!(begins(&mut world).contains(&2), "released");
    world.up(7, 1);
    let ends = world.engine.take_mirrored();
    assert!(matches!(ends[..], [Mirrored::Ends { alert_id: 1, .. }]), "{ends:?}");
}

#[test]
fn requests_that_hang_make_room_for_channels_that_wait() {
    let channels = 1..=40;
    let mut world = World::new(channels.clone().map(|id| rule(id, 1, 1)).collect());
    world.engine.set_channels(channels.map(settings).collect(), 0);
    world.down(7, 1);
    world.tick();
    world.settle();
    let began = |world: &mut World| -> Vec<Send> {
        let env = Env { now_ms: world.now_ms, suppressions: &world.held };
        std::iter::from_fn(|| world.engine.next_send(&env)).collect()
    };
    let preempted = |world: &mut World| -> Vec<i64> {
        std::iter::from_fn(|| world.engine.preempt(world.now_ms)).collect()
    };
    let hung = began(&mut world);
    assert_eq!(hung.len(), SENDERS);
    world.now_ms += 1_999;
    assert!(preempted(&mut world).is_empty());
    world.now_ms += 1;
    let cancelled = preempted(&mut world);
    assert_eq!(cancelled.len(), 8, "as many as wait");
    for send in hung.iter().filter(|send| cancelled.contains(&send.channel_id)) {
        let attempt =
            Attempt::ChannelFailed { http_status: None, error: String::new(), retry_after: None };
        world.engine.attempted(*send, attempt, 2_000, 1.0, world.now_ms);
    }
    let waited: Vec<i64> = began(&mut world).into_iter().map(|send| send.channel_id).collect();
    assert_eq!(waited, (33..=40).collect::<Vec<i64>>());
    world.now_ms += 60_000;
    assert!(preempted(&mut world).is_empty(), "only failing channels wait");
}
