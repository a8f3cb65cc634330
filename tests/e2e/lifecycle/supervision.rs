//! Injected faults of the program: recoverable ones are recovered, and others end the process.
//!
//! The program has fail points (crate `fail`) only when it is built for these tests.

use crate::support::{App, Launch, Store, Target, stores};

stores!(the_process_exits_when_an_essential_actor_dies,);

fn with_fault(store: Store, fault: &str) -> App {
    Launch::on(store).with("FAILPOINTS", fault).start()
}

#[test]
fn a_panic_in_a_probe_is_a_local_fault_and_the_prober_survives() {
    let app = with_fault(Store::Sqlite, "probe=3*panic(injected)->off");
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(service["metric"]["data"]["down_count"], 0, "never a downtime");
    assert_eq!(
        app.metric("service_healthcheck_probes_total{result=\"local\",reason=\"local_fault\"}"),
        Some(3.0)
    );
    assert_eq!(app.metric("service_healthcheck_probers_rebuilt_total"), Some(0.0));
    app.wait_for_log("probe failed by a local fault");
    app.wait_for_log("message: ");
    app.stop();
}

#[test]
fn a_dead_prober_is_restarted_and_its_service_continues() {
    let app = with_fault(Store::Sqlite, "prober=2*panic(injected)->off");
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(service["metric"]["data"]["down_count"], 0, "never a downtime");
    assert_eq!(app.metric("service_healthcheck_probers_rebuilt_total"), Some(2.0));
    app.wait_for_log("prober died and was rebuilt");
    assert_eq!(app.metric("service_healthcheck_slots_busy").map(|busy| busy <= 1.0), Some(true));
    app.stop();
}

fn the_process_exits_when_an_essential_actor_dies(store: Store) {
    for actor in ["scheduler", "recorder", "writer"] {
        // After two messages, so that the actor dies in the middle of its work.
        let mut app = with_fault(store, &format!("{actor}=2*off->panic(injected)"));
        let target = Target::healthy();
        app.add("a", &target.url());
        assert_eq!(app.exit_code(), Some(1), "{actor}:\n{}", app.log());
        let log = app.log();
        assert!(log.contains("panic, message: "), "{actor}: the reason is logged:\n{log}");
        assert!(log.contains(&format!("actor: {actor}")), "{log}");
        assert!(log.contains(&format!("the {actor} died")), "{log}");
        app.db().assert_consistent();
    }
}
