//! Lists, and what retention leaves of them.

use super::super::alert_signals::firing;
use super::super::fixture::{Fixture, Kind, for_each_store};
use super::samples::*;
use crate::domain::PageRequest;
use crate::domain::access::GroupLimit;
use crate::domain::alert::{
    AlertKind, AlertState, DeliveryOutcome, Notification, Settlement, Suppression,
};
use crate::domain::audit::AuditSource;
use crate::storage::alerting::{AlertingChange, AlertingCutoffs, ListAlerts, ListDeliveries};
use crate::storage::error::StorageError;

for_each_store!(
    lists_have_what_matches_newest_first,
    ids_are_not_given_twice_after_retention,
    retention_deletes_what_has_ended,
);

fn lists_have_what_matches_newest_first(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let (a, b) = (f.ids[0], f.ids[1]);
    let mut alerts = vec![
        firing(1, Some(a), AlertKind::Down),
        firing(2, Some(a), AlertKind::Degraded),
        firing(3, Some(b), AlertKind::Down),
        firing(4, None, AlertKind::Late),
    ];
    alerts[0].facts.group = Some("core".to_owned());
    alerts[1].suppressed_by = Some(Suppression::Silence);
    (alerts[2].state, alerts[2].resolved_ms) = (AlertState::Resolved, Some(7));
    let deliveries = vec![
        delivery(3, 60, DeliveryOutcome::ChannelFailed),
        delivery(3, 61, DeliveryOutcome::Delivered),
        delivery(5, 62, DeliveryOutcome::Delivered),
    ];
    let other = Notification { channel_id: 2, ..due(5) };
    let settlement = Settlement {
        alerts,
        notifications: vec![due(3), other],
        members: vec![(1, 3), (2, 3), (3, 5)],
        deliveries,
        ..Settlement::default()
    };
    settle(&mut f, &settlement);
    let group = |group: &str| Some(group.to_owned());
    let limit = |groups: &[&str]| GroupLimit::to(groups.iter().map(|name| (*name).to_owned()));
    for (list, expected) in [
        (ALL_ALERTS, vec![4, 3, 2, 1]),
        (ListAlerts { state: Some(AlertState::Firing), ..ALL_ALERTS }, vec![4, 2, 1]),
        (ListAlerts { kind: Some(AlertKind::Down), ..ALL_ALERTS }, vec![3, 1]),
        (ListAlerts { service_id: Some(a), ..ALL_ALERTS }, vec![2, 1]),
        (ListAlerts { group: group("core"), ..ALL_ALERTS }, vec![1]),
        (ListAlerts { group: group(""), ..ALL_ALERTS }, vec![4, 3, 2]),
        (ListAlerts { group: group("\0"), ..ALL_ALERTS }, vec![]),
        (ListAlerts { groups: limit(&["core", "web"]), ..ALL_ALERTS }, vec![1]),
        // Without those of the monitor's own.
        (ListAlerts { groups: limit(&[""]), ..ALL_ALERTS }, vec![3, 2]),
        (ListAlerts { groups: limit(&["core"]), group: group(""), ..ALL_ALERTS }, vec![]),
        (ListAlerts { suppressed_by: Some(Suppression::Silence), ..ALL_ALERTS }, vec![2]),
    ] {
        assert_eq!(ids(&mut f, &list), expected, "{list:?}");
    }
    let open = f.reader.open_alerts(&[b, a]).unwrap();
    assert_eq!(open.iter().map(|alert| alert.id).collect::<Vec<_>>(), [1, 2]);
    let second = ListAlerts { page: PageRequest { page: 2, limit: 3 }, ..ALL_ALERTS };
    let page = f.reader.alerts(&second).unwrap();
    assert_eq!((page.items[0].id, page.items.len(), page.total), (1, 1, 4));
    for (list, expected) in [
        (ALL_DELIVERIES, vec![(5, 62), (3, 61), (3, 60)]),
        (ListDeliveries { channel_id: Some(2), ..ALL_DELIVERIES }, vec![(5, 62)]),
        (ListDeliveries { alert_id: Some(2), ..ALL_DELIVERIES }, vec![(3, 61), (3, 60)]),
        (
            ListDeliveries { outcome: Some(DeliveryOutcome::ChannelFailed), ..ALL_DELIVERIES },
            vec![(3, 60)],
        ),
    ] {
        let page = f.reader.deliveries(&list).unwrap();
        let found = page.items.iter().map(|item| &item.delivery);
        let found: Vec<_> = found.map(|one| (one.notification_id, one.at_ms)).collect();
        assert_eq!((found.len() as u64, found), (page.total, expected), "{list:?}");
    }
}

const CUTOFFS: AlertingCutoffs =
    AlertingCutoffs { alerts_ms: 100, notifications_ms: 200, deliveries_ms: 300 };

fn ids_are_not_given_twice_after_retention(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let closed = Notification { closed_ms: Some(9), ..due(6) };
    let settlement = Settlement {
        alerts: vec![resolved(5, 9)],
        notifications: vec![closed],
        ..Settlement::default()
    };
    settle(&mut f, &settlement);
    assert_eq!(f.writer.expire_alerting(CUTOFFS, 10), Ok(false));
    assert_eq!(ids(&mut f, &ALL_ALERTS), [0_i64; 0]);
    let left = state(&mut f);
    assert_eq!((left.next_alert_id, left.next_notification_id), (6, 7));
    f.assert_consistent();
}

fn retention_deletes_what_has_ended(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let closed = |id, closed_ms| Notification { closed_ms: Some(closed_ms), ..due(id) };
    let settlement = Settlement {
        alerts: vec![resolved(1, 99), resolved(2, 100), firing(3, None, AlertKind::File)],
        notifications: vec![closed(1, 199), closed(2, 200), due(3)],
        members: vec![(1, 1), (2, 2), (3, 3), (1, 3)],
        deliveries: vec![
            delivery(1, 299, DeliveryOutcome::Delivered),
            delivery(1, 300, DeliveryOutcome::Delivered),
        ],
        ..Settlement::default()
    };
    settle(&mut f, &settlement);
    for to_ms in [99, 100] {
        f.writer
            .change_alerting(
                AlertingChange::CreateSilence(silence(to_ms)),
                &AuditSource::COMMAND,
                0,
            )
            .unwrap();
    }
    assert_eq!(f.writer.expire_alerting(CUTOFFS, 1), Ok(true), "there may be more");
    assert_eq!(f.writer.expire_alerting(CUTOFFS, 1), Ok(false));
    assert_eq!(ids(&mut f, &ALL_ALERTS), [3, 2]);
    assert_eq!(f.reader.notification(1), Err(StorageError::NotFound));
    assert_eq!(f.reader.notification(2).unwrap().members, [2]);
    assert_eq!(f.reader.notification(3).unwrap().members, [3]);
    let left = f.reader.deliveries(&ALL_DELIVERIES).unwrap().items;
    assert_eq!((left.len(), left[0].delivery.at_ms, left[0].channel_id), (1, 300, 1));
    let silences = f.reader.silences().unwrap();
    assert_eq!(silences.iter().map(|silence| silence.to_ms).collect::<Vec<_>>(), [100]);
    f.assert_consistent();
}
