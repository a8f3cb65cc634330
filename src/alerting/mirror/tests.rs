//! Tests with the time as a parameter.

use proptest::prelude::*;

use super::*;

fn identity(name: u16) -> Identity {
    Identity::new(&format!("service {name}"), Some("core"), AlertKind::Down)
}

/// The identities of one service are equal for equal labels only.
#[test]
fn an_identity_is_made_of_name_group_and_kind() {
    let of = |name, group, kind| Identity::new(name, group, kind);
    let down = of("a", Some("b"), AlertKind::Down);
    assert_eq!(down, of("a", Some("b"), AlertKind::Down));
    assert_ne!(down, of("ab", None, AlertKind::Down));
    assert_ne!(down, of("a", Some("b"), AlertKind::Flapping));
}

/// Requests of one URL from `now_ms` on, all successful.
fn drain(mirror: &mut Mirror, now_ms: i64) -> Vec<Push> {
    let mut pushes = Vec::new();
    while let Some(push) = mirror.next_push(now_ms) {
        mirror.pushed(&push, true, now_ms);
        pushes.push(push);
    }
    pushes
}

fn ids(pushes: &[Push]) -> Vec<i64> {
    let alerts = pushes.iter().flat_map(|push| &push.alerts);
    alerts.map(|alert| alert.alert_id).collect()
}

#[test]
fn a_begin_and_an_end_are_sent_at_once_and_to_every_url() {
    let mut mirror = Mirror::new(2, false);
    assert_eq!((mirror.next_due_ms(), mirror.next_push(0)), (None, None));
    mirror.began(identity(1), 7, false);
    let urls: Vec<usize> = drain(&mut mirror, 1_000).iter().map(|push| push.url).collect();
    assert_eq!(urls[..2], [0, 1]);
    mirror.ended(identity(1), 2_000);
    let pushes = drain(&mut mirror, 2_000);
    let expected = MirroredAlert { alert_id: 7, ended_ms: Some(2_000) };
    assert!(pushes.len() == 2 && pushes.iter().all(|push| push.alerts == [expected]));
}

#[test]
fn an_end_is_repeated_for_fifteen_minutes() {
    let mut mirror = Mirror::new(1, false);
    mirror.began(identity(1), 7, false);
    drain(&mut mirror, 0);
    mirror.ended(identity(1), 1_000);
    let last = (1_000..2_000_000)
        .step_by(1_000)
        .filter(|now_ms| !drain(&mut mirror, *now_ms).is_empty())
        .last();
    assert!(last.is_some_and(|last| (841_000..=901_000).contains(&last)), "{last:?}");
    assert!(mirror.is_empty());
}

#[test]
fn a_suppressed_begin_is_not_sent_and_one_that_was_sent_is_repeated_until_it_ends() {
    let mut mirror = Mirror::new(1, false);
    assert!(!mirror.began(identity(1), 1, true));
    mirror.ended(identity(1), 5);
    assert!(mirror.began(identity(2), 2, false));
    assert_eq!(ids(&drain(&mut mirror, 0)), [2]);
    assert!(mirror.began(identity(2), 2, true), "a silence was made");
    assert_eq!(ids(&drain(&mut mirror, 60_000)), [2]);
    assert!(mirror.began(identity(1), 3, false), "released");
    assert_eq!(ids(&drain(&mut mirror, 60_001)), [3]);
}

#[test]
fn a_later_alert_with_the_same_labels_replaces_the_ended_one() {
    let mut mirror = Mirror::new(1, false);
    mirror.began(identity(1), 1, false);
    mirror.ended(identity(1), 10);
    mirror.began(identity(1), 2, false);
    drain(&mut mirror, 20);
    for now_ms in (60_020..3_000_000).step_by(60_000) {
        assert_eq!(ids(&drain(&mut mirror, now_ms)), [2], "the old end would resolve it");
    }
}

#[test]
fn a_thousand_alerts_are_repeated_in_four_requests_a_minute() {
    let mut mirror = Mirror::new(1, false);
    for name in 0..1_000 {
        mirror.began(identity(name), i64::from(name) + 1, false);
    }
    drain(&mut mirror, 0);
    let mut sent = Vec::new();
    for now_ms in (60_000..120_000).step_by(100) {
        sent.extend(drain(&mut mirror, now_ms).into_iter().map(|push| (now_ms, push)));
    }
    let times: Vec<i64> = sent.iter().map(|(now_ms, _)| *now_ms).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 15_000), "{times:?}");
    let mut ids = ids(&sent.into_iter().map(|(_, push)| push).collect::<Vec<_>>());
    ids.sort_unstable();
    assert_eq!(ids, (1..=1_000).collect::<Vec<i64>>());
}

#[test]
fn a_url_that_failed_is_sent_everything_and_the_other_one_does_not_wait() {
    let mut mirror = Mirror::new(2, false);
    for name in 0..600 {
        mirror.began(identity(name), i64::from(name) + 1, false);
    }
    drain(&mut mirror, 0);
    mirror.began(identity(600), 601, false);
    let hung = mirror.next_push(1_000).unwrap();
    assert_eq!((hung.url, ids(std::slice::from_ref(&hung))), (0, vec![601]));
    let other = drain(&mut mirror, 1_000);
    assert_eq!((other[0].url, ids(&other)), (1, vec![601]), "while the first one hangs");
    mirror.pushed(&hung, false, 11_000);
    assert_eq!(mirror.next_due_ms(), Some(12_000), "the backoff");
    assert!(mirror.next_push(11_999).is_none());
    let again = mirror.next_push(12_000).unwrap();
    mirror.pushed(&again, false, 12_000);
    assert_eq!(mirror.next_due_ms(), Some(14_000), "doubled");
    let pushes = drain(&mut mirror, 14_000);
    let to_first: Vec<Push> = pushes.into_iter().filter(|push| push.url == 0).collect();
    let mut all = ids(&to_first);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 601, "Alertmanager may have been restarted");
}

#[test]
fn the_watchdog_is_sent_every_minute_also_without_alerts() {
    let mut mirror = Mirror::new(1, true);
    let sent = |mirror: &mut Mirror, now_ms| {
        drain(mirror, now_ms).iter().filter(|push| push.watchdog).count()
    };
    assert_eq!(mirror.next_due_ms(), Some(0));
    assert_eq!(sent(&mut mirror, 0), 1);
    assert_eq!(sent(&mut mirror, 59_999), 0);
    assert_eq!(sent(&mut mirror, 60_000), 1);
    let failed = mirror.next_push(120_000).unwrap();
    mirror.pushed(&failed, false, 120_000);
    assert_eq!((mirror.next_due_ms(), sent(&mut mirror, 121_000)), (Some(121_000), 1));
    mirror.began(identity(1), 1, false);
    let failed = mirror.next_push(122_000).unwrap();
    assert!(!failed.watchdog);
    mirror.pushed(&failed, false, 122_000);
    assert_eq!(sent(&mut mirror, 123_000), 1, "Alertmanager may have been restarted");
    assert_eq!(Mirror::new(1, false).next_due_ms(), None);
}

#[test]
fn the_number_of_alerts_is_bounded_and_ended_ones_go_first() {
    let mut mirror = Mirror { limit: 100, ..Mirror::new(1, false) };
    assert!((1..=100).all(|name| mirror.began(identity(name), i64::from(name), false)));
    assert!(!mirror.began(identity(101), 101, false));
    mirror.ended(identity(5), 1);
    assert!(mirror.began(identity(101), 101, false));
    assert_eq!(mirror.len(), 100);
    for id in 0..1_000 {
        mirror.ended(identity(7), id);
        mirror.began(identity(7), id, false);
    }
    assert!(mirror.ended.len() <= 100 && mirror.targets[0].fresh.len() <= 100);
}

#[derive(Debug, Clone)]
enum Step {
    Began(u16, bool),
    Ended(u16),
    Wait(i64),
    Fails(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..400_u16, prop::bool::weighted(0.2)).prop_map(|(name, s)| Step::Began(name, s)),
        2 => (0..400_u16).prop_map(Step::Ended),
        3 => (0..90_000_i64).prop_map(Step::Wait),
        1 => prop::bool::ANY.prop_map(Step::Fails),
    ]
}

proptest! {
    /// A receiver that resolves an alert which is not repeated for 4 minutes has exactly the
    /// alerts that fire, once requests succeed again.
    #[test]
    fn the_receiver_has_the_alerts_that_fire(steps in prop::collection::vec(step(), 1..200)) {
        let mut mirror = Mirror::new(1, false);
        let (mut now_ms, mut next_id, mut fails) = (0, 1, false);
        let mut firing = BTreeMap::new();
        // Name of the alert's service by id; what the receiver has, and until when.
        let (mut names, mut received) = (BTreeMap::new(), BTreeMap::new());
        let mut run = |mirror: &mut Mirror, from_ms: i64, to_ms: i64, fails: bool,
                       names: &BTreeMap<i64, u16>| {
            let mut now_ms = from_ms;
            loop {
                while let Some(push) = mirror.next_push(now_ms) {
                    assert!(push.alerts.len() <= ALERTS_PER_PUSH);
                    if !fails {
                        for alert in &push.alerts {
                            let until = alert.ended_ms.unwrap_or(now_ms + 240_000);
                            received.insert(names[&alert.alert_id], (alert.alert_id, until));
                        }
                    }
                    mirror.pushed(&push, !fails, now_ms);
                }
                match mirror.next_due_ms() {
                    Some(due_ms) if due_ms <= to_ms => now_ms = now_ms.max(due_ms),
                    _ => break,
                }
            }
            received.clone()
        };
        let mut steps = steps;
        steps.extend([Step::Fails(false), Step::Wait(120_000)]);
        for step in steps {
            match step {
                Step::Began(name, is_suppressed) => {
                    let alert_id = firing.get(&name).copied().unwrap_or(next_id);
                    next_id += 1;
                    if mirror.began(identity(name), alert_id, is_suppressed) {
                        firing.insert(name, alert_id);
                        names.insert(alert_id, name);
                    }
                }
                Step::Ended(name) => {
                    firing.remove(&name);
                    mirror.ended(identity(name), now_ms);
                }
                Step::Wait(ms) => {
                    run(&mut mirror, now_ms, now_ms + ms, fails, &names);
                    now_ms += ms;
                }
                Step::Fails(now) => fails = now,
            }
        }
        let received = run(&mut mirror, now_ms, now_ms, false, &names);
        let known: BTreeMap<u16, i64> = received
            .into_iter()
            .filter(|(_, (_, until))| *until > now_ms)
            .map(|(name, (alert_id, _))| (name, alert_id))
            .collect();
        prop_assert_eq!(known, firing);
    }
}
