//! Everything that can be read from a store, to compare it with another one.

use std::ops::ControlFlow;

use super::alerting::samples::{ALL_ALERTS, ALL_DELIVERIES};
use super::audit::ALL as ALL_CHANGES;
use super::ledger::events;
use crate::domain::Window;
use crate::storage::history::rows::{DAY_S, HOUR_S};
use crate::storage::history::ticks::ListTicks;
use crate::storage::port::{Query, StoreRead};
use crate::storage::records::GetUsage;

/// Everything that can be read, as text.
pub fn everything(rows: &mut dyn StoreRead) -> Vec<String> {
    let mut all = vec![format!("{:?}", rows.load_services().unwrap())];
    all.push(format!("{:?}", rows.marks().unwrap()));
    let usage = GetUsage.run(rows).unwrap();
    all.push(format!("{:?} {} {:?}", usage.rows(), usage.sealed_bytes, usage.ticks_since_ms));
    all.push(format!("sealed at {}", usage.sealed_at_ms));
    all.push(format!("{:?}", rows.alert_signals(100)));
    all.push(format!("{:?}", rows.alerting_state()));
    all.push(format!("{:?}", rows.alerts(&ALL_ALERTS)));
    all.push(format!("{:?}", rows.deliveries(&ALL_DELIVERIES)));
    all.push(format!("{:?}", rows.audit(&ALL_CHANGES)));
    all.push(format!("{:?}", (rows.tokens(), rows.sessions())));
    for id in rows.all_service_ids().unwrap() {
        all.push(format!("{id}: {:?}", rows.service(id)));
        for step_s in [HOUR_S, DAY_S] {
            all.push(format!("{id}: {:?}", rows.rollups(id, step_s, Window::ALL).unwrap()));
        }
        all.push(format!("{id}: {:?}", rows.spans(&[id], Window::ALL).unwrap()));
        if rows.service(id).is_ok() {
            all.push(format!("{id}: {:?}", events(rows, id)));
        }
        let mut fresh = Vec::new();
        let fresh_ticks = rows.fresh_ticks(id, &mut |tick| {
            fresh.push(tick);
            ControlFlow::Continue(())
        });
        fresh_ticks.unwrap();
        all.push(format!("{id}: {fresh:?}"));
        let list = ListTicks {
            service_id: id,
            window: Window::ALL,
            state: None,
            reason: None,
            before: None,
            limit: usize::MAX,
        };
        all.push(format!("{id}: {:?}", list.run(rows)));
    }
    all
}
