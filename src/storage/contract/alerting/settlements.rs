//! Settlements of the dispatcher.

use super::super::alert_signals::firing;
use super::super::fixture::{Fixture, Kind, for_each_store};
use super::samples::*;
use crate::domain::alert::{
    Acknowledgement, Alert, AlertKind, AlertState, Delivery, DeliveryOutcome, EndCause, Facts,
    Notification, NotificationState, Settlement, Suppression,
};
use crate::domain::time::step_back::StepBack;
use crate::storage::alerting::{DeliveryRecord, ListAlerts, NotificationRecord};
use crate::storage::error::StorageError;

for_each_store!(
    a_settlement_is_stored_and_changes_nothing_when_repeated,
    an_alert_that_ends_makes_room_for_the_next_of_its_service,
    alerts_with_empty_facts_keep_those_that_are_stored,
    a_refused_settlement_stores_nothing,
    what_is_open_keeps_its_length_when_the_clock_is_set_back,
    texts_with_nul_characters_are_stored,
    many_rows_are_stored_at_once,
);

/// Two alerts in one notification, which failed once.
fn settlement(f: &Fixture) -> Settlement {
    Settlement {
        alerts: vec![
            firing(7, Some(f.ids[0]), AlertKind::Down),
            firing(8, None, AlertKind::Connectivity),
        ],
        notifications: vec![due(3)],
        members: vec![(7, 3), (8, 3)],
        deliveries: vec![delivery(3, 60, DeliveryOutcome::ChannelFailed)],
        ..Settlement::default()
    }
}

fn a_settlement_is_stored_and_changes_nothing_when_repeated(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let new = state(&mut f);
    assert_eq!((new.next_alert_id, new.next_notification_id), (1, 1));
    assert!(new.instance_key.chars().all(|letter| letter.is_ascii_lowercase()));
    assert_eq!(new.instance_key.len(), 8);
    let first = settlement(&f);
    for _ in 0..2 {
        settle(&mut f, &first);
        let stored = state(&mut f);
        let record = NotificationRecord { notification: due(3), members: vec![7, 8] };
        assert_eq!(stored.alerts, first.alerts);
        assert_eq!(stored.notifications, std::slice::from_ref(&record));
        assert_eq!((stored.next_alert_id, stored.next_notification_id), (9, 4));
        assert_eq!(stored.instance_key, new.instance_key);
        assert_eq!(f.reader.notification(3), Ok(record));
        let details = f.reader.alert(8).unwrap();
        assert_eq!((&details.alert, details.notifications), (&first.alerts[1], vec![due(3)]));
        assert_eq!(details.deliveries.len(), 1);
        let id = details.deliveries[0].id;
        let delivery = Delivery { id, ..first.deliveries[0].clone() };
        assert_eq!(f.reader.delivery(id), Ok(DeliveryRecord { delivery, channel_id: 1 }));
    }
    f.assert_consistent();
    for id in [1, 9] {
        assert_eq!(f.reader.alert(id).unwrap_err(), StorageError::NotFound);
        assert_eq!(f.reader.notification(id).unwrap_err(), StorageError::NotFound);
        assert_eq!(f.reader.delivery(id + 90).unwrap_err(), StorageError::NotFound);
    }
    let acknowledged = Acknowledgement {
        at_ms: 70,
        by: Some("ann".to_owned()),
        note: Some("looking".to_owned()),
        until_ms: Some(99),
    };
    let mut alert = first.alerts[0].clone();
    alert.state = AlertState::Acknowledged;
    alert.acknowledged = Some(acknowledged);
    alert.suppressed_by = Some(Suppression::QuietHours);
    let closed = Notification {
        revision: 3,
        delivered: 3,
        state: NotificationState::DigestResolved,
        due_ms: None,
        attempts: 9,
        reference: Some("42".to_owned()),
        reminder_due_ms: Some(100),
        recipient: Some("+49".to_owned()),
        policy_id: None,
        step: 2,
        closed_ms: Some(90),
        is_dead: true,
        ..due(3)
    };
    let second = Settlement {
        alerts: vec![alert.clone()],
        notifications: vec![closed.clone()],
        ..Settlement::default()
    };
    settle(&mut f, &second);
    assert_eq!(state(&mut f).alerts, [alert, first.alerts[1].clone()]);
    assert_eq!(state(&mut f).notifications, [], "it is closed");
    assert_eq!(f.reader.notification(3).unwrap().notification, closed);
    f.assert_consistent();
}

fn an_alert_that_ends_makes_room_for_the_next_of_its_service(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = Some(f.ids[0]);
    let open = firing(1, id, AlertKind::Down);
    settle(&mut f, &Settlement { alerts: vec![open.clone()], ..Settlement::default() });
    let ended = Alert {
        state: AlertState::Resolved,
        resolved_ms: Some(9),
        cause: Some(EndCause::Recovered),
        ..open
    };
    let next = firing(2, id, AlertKind::Down);
    let alerts = vec![next.clone(), ended.clone()];
    settle(&mut f, &Settlement { alerts, ..Settlement::default() });
    assert_eq!(state(&mut f).alerts, std::slice::from_ref(&next));
    assert_eq!(f.reader.alerts_by_id(&[2, 5, 1]).unwrap(), [ended, next]);
}

fn alerts_with_empty_facts_keep_those_that_are_stored(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let mut alert = firing(1, None, AlertKind::Late);
    alert.facts.group = Some("core".to_owned());
    settle(&mut f, &Settlement { alerts: vec![alert.clone()], ..Settlement::default() });
    let later = Alert { count: 9, facts: Facts::default(), ..alert.clone() };
    settle(&mut f, &Settlement { alerts: vec![later], ..Settlement::default() });
    assert_eq!(state(&mut f).alerts, [Alert { count: 9, ..alert }]);
    let of_group = ListAlerts { group: Some("core".to_owned()), ..ALL_ALERTS };
    assert_eq!(ids(&mut f, &of_group), [1]);
}

fn a_refused_settlement_stores_nothing(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let mut two = settlement(&f);
    two.alerts.push(firing(9, Some(f.ids[0]), AlertKind::Down));
    let mut stray = settlement(&f);
    stray.deliveries.push(delivery(4, 60, DeliveryOutcome::Delivered));
    for refused in [two, stray] {
        let error = f.writer.settle_alerts(&refused).unwrap_err();
        assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
        let stored = state(&mut f);
        assert_eq!(
            (stored.alerts, stored.notifications, stored.next_alert_id),
            (vec![], vec![], 1)
        );
    }
}

fn what_is_open_keeps_its_length_when_the_clock_is_set_back(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let at = |ms: i64| 10_000_000 + ms;
    let alert = Alert {
        since_ms: at(0),
        fired_ms: Some(at(100)),
        acknowledged: Some(Acknowledgement {
            at_ms: at(200),
            by: None,
            note: None,
            until_ms: Some(at(900)),
        }),
        ..firing(1, Some(f.ids[0]), AlertKind::Down)
    };
    let notification = Notification {
        due_ms: Some(at(700)),
        reminder_due_ms: Some(at(800)),
        revised_ms: at(300),
        opened_ms: at(250),
        ..due(1)
    };
    let settlement = Settlement {
        alerts: vec![alert.clone(), resolved(2, at(50))],
        notifications: vec![notification.clone()],
        ..Settlement::default()
    };
    settle(&mut f, &settlement);
    // At at(600), the clock was set to at(400).
    let step = StepBack { by_ms: 200, to_ms: at(400), after_ms: at(400) };
    f.writer.step_back(&[step]).unwrap();
    let state = state(&mut f);
    let acknowledged =
        Acknowledgement { at_ms: at(0), by: None, note: None, until_ms: Some(at(900)) };
    let moved = Alert {
        since_ms: at(-200),
        fired_ms: Some(at(-100)),
        acknowledged: Some(acknowledged),
        ..alert
    };
    assert_eq!(state.alerts, [moved]);
    let moved = Notification {
        due_ms: Some(at(500)),
        reminder_due_ms: Some(at(600)),
        revised_ms: at(100),
        opened_ms: at(50),
        ..notification
    };
    assert_eq!(state.notifications[0].notification, moved);
    assert_eq!(f.reader.alerts_by_id(&[2]).unwrap(), [resolved(2, at(50))]);
}

fn texts_with_nul_characters_are_stored(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let mut alert = firing(1, None, AlertKind::Late);
    alert.facts.detail = "a\0b".to_owned();
    alert.acknowledged =
        Some(Acknowledgement { at_ms: 1, by: Some("a\0b".to_owned()), note: None, until_ms: None });
    let failed =
        Delivery { error: Some("x\0y".to_owned()), ..delivery(1, 1, DeliveryOutcome::Dead) };
    let settlement = Settlement {
        alerts: vec![alert],
        notifications: vec![due(1)],
        deliveries: vec![failed],
        ..Settlement::default()
    };
    settle(&mut f, &settlement);
    let stored = state(&mut f).alerts.remove(0);
    assert_eq!(stored.facts.detail, "a\0b");
    assert_eq!(stored.acknowledged.unwrap().by.as_deref(), Some("ab"));
    let delivery = f.reader.deliveries(&ALL_DELIVERIES).unwrap().items.remove(0).delivery;
    assert_eq!(delivery.error.as_deref(), Some("xy"));
}

fn many_rows_are_stored_at_once(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let count = 2_500;
    let settlement = Settlement {
        alerts: (1..=count).map(|id| resolved(id, 5)).collect(),
        notifications: (1..=count).map(due).collect(),
        members: (1..=count).map(|id| (id, 1)).collect(),
        deliveries: (1..=count).map(|id| delivery(id, 5, DeliveryOutcome::Delivered)).collect(),
        ..Settlement::default()
    };
    for _ in 0..2 {
        settle(&mut f, &settlement);
    }
    let state = state(&mut f);
    assert_eq!(state.notifications.len() as i64, count);
    assert_eq!(state.notifications[0].members.len() as i64, count);
    let all: Vec<i64> = (1..=count).collect();
    assert_eq!(f.reader.alerts_by_id(&all).unwrap().len() as i64, count);
    assert_eq!(f.reader.deliveries(&ALL_DELIVERIES).unwrap().total as i64, count);
}
