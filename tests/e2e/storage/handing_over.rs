//! What goes from one instance to another: services while a probe takes long, changes of the same
//! service at both, and commands whose instance has stopped.

mod on_postgres {
    use std::ops::RangeInclusive;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use serde_json::json;

    use crate::support::{
        Behaviour, Cluster, Database, Launch, Target, new_database_of, wait_until,
    };

    fn launch(database: &Arc<Database>, name: &str) -> Launch {
        Launch::new()
            .with_database(Arc::clone(database))
            .with("INSTANCE_NAME", name)
            .with("INSTANCE_TTL_SECONDS", 3)
            .with("RUNNER_SCRAPE_INTERVAL_SECONDS", 2)
            .with("COMMIT_WINDOW_MS", 200)
    }

    /// Name of the instance that probes the service.
    fn owner(database: &Database, id: i64) -> String {
        let rows = database.query(&format!(
            "SELECT max(i.name) FROM shards s JOIN instances i ON i.id = s.owner_id \
             AND i.ended_at_ms IS NULL WHERE s.shard = {id} / 16 % 1024"
        ));
        rows[0][0].clone().unwrap_or_default()
    }

    /// The next service is of a shard whose position in the order in which shards are given back is
    /// one of `positions`. Returns its id.
    fn place_next_service(database: &Database, positions: RangeInclusive<i64>) -> i64 {
        let is_there = |shard: &i64| positions.contains(&(shard * 389 % 1_024));
        let last_id = (1..1_024).find(is_there).unwrap() * 16;
        let sequence = "pg_get_serial_sequence('services', 'id')";
        database.query(&format!("SELECT setval({sequence}, {last_id})"));
        last_id + 1
    }

    #[test]
    fn a_slow_probe_keeps_no_other_shard_waiting() {
        let database = new_database_of(Cluster::shared());
        let (target, hung) = (Target::healthy(), Target::start(Behaviour::Hung));
        let first = launch(&database, "a").start();
        let quick = first.add("quick", &target.url());
        // Another shard of the first ones that are given back.
        let slow_id = place_next_service(&database, 1..=51);
        let slow = first.add_with(&json!({
            "name": "slow", "url": hung.url(), "interval_seconds": 300, "timeout_seconds": 290,
        }));
        assert_eq!((quick, slow), (1, slow_id));
        first.wait_for_ticks(quick, 2);
        wait_until("the slow probe to be under way", || hung.request_count() > 0);

        let second = launch(&database, "b").start();
        wait_until("b to own the quick service", || owner(&database, quick) == "b");
        assert_eq!(owner(&database, slow), "a", "its probe is awaited");
        second.wait_for_ticks(quick, 4);
        let unknown = database.query(&format!(
            "SELECT count(*) FROM service_events WHERE event = 'unknown' AND service_id = {quick}"
        ));
        assert_eq!(unknown[0][0].as_deref(), Some("0"));
        drop(hung);
        wait_until("b to own the slow service", || owner(&database, slow) == "b");
    }

    #[test]
    fn the_newer_of_two_changes_at_two_instances_holds() {
        let database = new_database_of(Cluster::shared());
        let targets = [(); 3].map(|()| Target::healthy());
        // What the first one changes waits for its commits, while the other one changes the same.
        let first = launch(&database, "a")
            .with("RUNNER_SCRAPE_INTERVAL_SECONDS", 1)
            .with("FAILPOINTS", "writer=sleep(2500)")
            .start();
        // A shard that the first one keeps.
        let id = place_next_service(&database, 1_000..=1_023);
        assert_eq!(first.add("both", &targets[0].url()), id);
        // Longer than the first one writes nothing.
        let second = launch(&database, "b").with("INSTANCE_TTL_SECONDS", 30).start();
        wait_until("b to own shards", || owner(&database, 1) == "b");
        first.wait_for_ticks(id, 2);
        for _ in 0..3 {
            thread::scope(|scope| {
                scope.spawn(|| first.change(id, &json!({"url": targets[1].url()})));
                thread::sleep(Duration::from_millis(300));
                second.change(id, &json!({"url": targets[2].url()}));
            });
            assert_eq!(owner(&database, id), "a");
            let stored = database.query(&format!("SELECT url FROM services WHERE id = {id}"));
            let stored = stored[0][0].clone().unwrap();
            let [old, new] = if stored == targets[1].url() { [2, 1] } else { [1, 2] };
            assert_eq!(stored, targets[new].url());
            wait_until("only the newer URL to be probed", || {
                let before = [old, new].map(|nth| targets[nth].request_count());
                thread::sleep(Duration::from_secs(3));
                targets[old].request_count() == before[0]
                    && targets[new].request_count() > before[1]
            });
        }
    }

    #[test]
    fn an_acknowledgement_whose_instance_has_stopped_is_carried_out_by_the_only_one_left() {
        let database = new_database_of(Cluster::shared());
        let target = Target::start(Behaviour::Status(503));
        let first = launch(&database, "a").start();
        let channel = json!({"name": "hook", "kind": "webhook", "keys": {"url": target.url()}});
        assert_eq!(first.send("POST", "/v1/channels", &channel).status, 201);
        first.add_with(&json!({
            "name": "api", "url": target.url(),
            "alerts": [{"channel": "hook", "failure_threshold": 1}],
        }));
        let state = "SELECT max(state) FROM alerts";
        let state = || database.query(state)[0][0].clone().unwrap_or_default();
        wait_until("an alert", || state() == "firing");
        // As an instance leaves it that is stopped at once.
        database.query(
            "INSERT INTO inbox (service_id, at_ms, outcome) SELECT 0, 0, json_build_object( \
                'alert_id', id, 'source', json_build_object('actor', 'this machine'), \
                'acknowledgement', json_build_object('at_ms', fired_ms, 'by', 'Ann'))::text \
             FROM alerts",
        );
        wait_until("it to be acknowledged", || state() == "acknowledged");
        wait_until("the inbox to be empty", || {
            database.query("SELECT count(*) FROM inbox")[0][0].as_deref() == Some("0")
        });
    }
}
