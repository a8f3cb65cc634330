//! Queries of alerting.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::domain::alert::{Alert, Channel, Policy, Signal, Silence};
use crate::domain::live::LiveService;
use crate::domain::{Definition, Page, ServiceId, State};
use crate::storage::alerting::{
    AlertDetails, AlertHistory, AlertingState, DeliveryRecord, FindDown, FindServices, GetAlert,
    GetAlertHistory, GetAlertingState, GetAlerts, GetChannel, GetDefinitions, GetDelivery,
    GetMessageParts, GetNotification, GetPolicy, GetSilence, ListAlerts, ListChannels,
    ListDeliveries, ListOpenAlerts, ListPolicies, ListSignals, ListSilences, NotificationRecord,
    ReadSignals, SignalBatch,
};
use crate::storage::port::{Query, Result, StoreRead, snapshot};
use crate::storage::records::ServiceRecord;

/// Implements [`Query`] by one primitive.
macro_rules! query {
    ($query:ty => $answer:ty, |$this:ident, $rows:ident| $primitive:expr) => {
        impl Query for $query {
            type Answer = $answer;

            fn run(self, $rows: &mut dyn StoreRead) -> Result<$answer> {
                let $this = self;
                $primitive
            }
        }
    };
}

query!(ListSignals => Vec<Signal>, |query, rows| rows.alert_signals(query.limit));
query!(GetAlertingState => AlertingState, |_query, rows| rows.alerting_state());
query!(ListChannels => Vec<Channel>, |_query, rows| rows.channels());
query!(GetChannel => Channel, |query, rows| rows.channel(query.0));
query!(ListPolicies => Vec<Policy>, |_query, rows| rows.policies());
query!(GetPolicy => Policy, |query, rows| rows.policy(query.0));
query!(ListSilences => Vec<Silence>, |_query, rows| rows.silences());
query!(GetSilence => Silence, |query, rows| rows.silence(query.0));
query!(ListAlerts => Page<Alert>, |query, rows| rows.alerts(&query));
query!(GetAlert => AlertDetails, |query, rows| rows.alert(query.0));
query!(GetAlerts => Vec<Alert>, |query, rows| rows.alerts_by_id(&query.0));
query!(ListOpenAlerts => Vec<Alert>, |query, rows| rows.open_alerts(&query.0));
query!(GetNotification => NotificationRecord, |query, rows| rows.notification(query.0));
query!(GetDelivery => DeliveryRecord, |query, rows| rows.delivery(query.0));
query!(ListDeliveries => Page<DeliveryRecord>, |query, rows| rows.deliveries(&query));
query!(FindServices => Vec<(ServiceId, Definition)>, |query, rows| rows.services_by_name(&query.0));
query!(GetDefinitions => HashMap<ServiceId, Definition>, |query, rows| rows.definitions(&query.0));

impl Query for FindDown {
    type Answer = HashSet<ServiceId>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<HashSet<ServiceId>> {
        let services = rows.live_services(Some(&self.0))?.into_iter();
        let is_down = |service: &LiveService| {
            service.state.event.as_ref().is_some_and(|event| event.state == State::Down)
        };
        Ok(services.filter(is_down).map(|service| service.id).collect())
    }
}

impl Query for ReadSignals {
    type Answer = SignalBatch;

    fn run(self, rows: &mut dyn StoreRead) -> Result<SignalBatch> {
        snapshot(rows, |rows| {
            let signals = rows.alert_signals(self.limit)?;
            let ids: BTreeSet<ServiceId> = signals.iter().map(|signal| signal.service_id).collect();
            let ids: Vec<ServiceId> = ids.into_iter().collect();
            let definitions = match ids.is_empty() {
                true => HashMap::new(),
                false => rows.definitions(&ids)?,
            };
            Ok(SignalBatch { signals, definitions })
        })
    }
}

impl Query for GetMessageParts {
    type Answer = (Vec<Alert>, Option<Definition>);

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer> {
        snapshot(rows, |rows| {
            let alerts = rows.alerts_by_id(&self.alert_ids)?;
            let definition = match self.service_id {
                Some(id) => rows.definitions(&[id])?.remove(&id),
                None => None,
            };
            Ok((alerts, definition))
        })
    }
}

impl Query for GetAlertHistory {
    type Answer = AlertHistory;

    fn run(self, rows: &mut dyn StoreRead) -> Result<AlertHistory> {
        snapshot(rows, |rows| {
            let AlertDetails { alert, notifications, deliveries } = rows.alert(self.0)?;
            let ids = notifications.into_iter().map(|notification| notification.id);
            let notifications: Result<_> = ids.map(|id| rows.notification(id)).collect();
            Ok(AlertHistory { alert, notifications: notifications?, deliveries })
        })
    }
}

/// Query: those of these services that live, in this order, each with its open alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetServicesWithAlerts(pub Vec<ServiceId>);

impl Query for GetServicesWithAlerts {
    type Answer = Vec<(ServiceRecord, Vec<Alert>)>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        snapshot(rows, |rows| {
            let records = rows.services_by_id(&self.0)?;
            let mut by_service: HashMap<ServiceId, Vec<Alert>> = HashMap::new();
            for alert in rows.open_alerts(&self.0)? {
                if let Some(id) = alert.service_id {
                    by_service.entry(id).or_default().push(alert);
                }
            }
            let with_alerts = records.into_iter().map(|record| {
                let alerts = by_service.remove(&record.id).unwrap_or_default();
                (record, alerts)
            });
            Ok(with_alerts.collect())
        })
    }
}
