//! A PostgreSQL server that stops, hangs or comes back.

mod on_postgres {
    use std::thread;
    use std::time::{Duration, Instant};

    use serde_json::json;

    use crate::support::{
        App, Cluster, ClusterOptions, Database, Launch, Target, wait_for, wait_until,
    };

    /// Longest time of a call of the store, and of a read with its wait.
    const DEADLINE: Duration = Duration::from_secs(10);

    /// A service on a server of its own, with four services that are up.
    fn start() -> (Cluster, Database, App, Target) {
        let cluster = Cluster::new(&ClusterOptions::default().fsync());
        let database = cluster.empty_database();
        let app = Launch::new().with("DATABASE_URL", database.url()).start();
        let target = Target::healthy();
        for name in 0..4 {
            app.add(&name.to_string(), &target.url());
        }
        app.wait_for_ticks(1, 2);
        app.wait_until_ready();
        (cluster, database, app, target)
    }

    fn wait_until_not_ready(app: &App) {
        let not_ready = wait_for("ready to be 503", || {
            Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
        });
        assert!(not_ready.errors().starts_with("store: unavailable: "), "{}", not_ready.text);
        assert!(!not_ready.header("retry-after").is_empty());
    }

    fn produced(app: &App) -> f64 {
        app.metric("service_healthcheck_probes_total{result=\"up\",reason=\"\"}").unwrap()
    }

    /// Stops the service and compares what it stored with what it recorded.
    fn assert_nothing_lost_or_doubled(app: App, database: &Database) {
        let dropped = app.metric("service_healthcheck_outcomes_total{result=\"dropped\"}");
        assert_eq!(dropped, Some(0.0));
        let least = produced(&app);
        app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", least);
        let log = app.stop();
        assert!(log.contains("every outcome is in the store"), "{log}");
        let number = |query: &str| database.query(query)[0][0].clone().unwrap();
        let ticks: f64 = number(
            "SELECT (SELECT count(*) FROM service_ticks) + \
             (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks)",
        )
        .parse()
        .unwrap();
        assert!(ticks >= least, "{ticks} of {least}");
        let differing = "SELECT count(*) FROM service_metrics m WHERE tick_count + unknown_count \
             <> (SELECT count(*) FROM service_ticks t WHERE t.service_id = m.service_id) + \
             (SELECT coalesce(sum(c.tick_count), 0) FROM service_tick_chunks c \
             WHERE c.service_id = m.service_id)";
        assert_eq!(number(differing), "0", "counts equal the ticks");
        let doubled = "SELECT count(*) FROM (SELECT FROM service_ticks \
             GROUP BY service_id, at_ms HAVING count(*) > 1) t";
        assert_eq!(number(doubled), "0", "no result is stored twice");
    }

    #[test]
    fn a_stopped_server_is_reported_probing_goes_on_and_nothing_is_lost_or_doubled() {
        let (cluster, database, app, target) = start();
        cluster.stop();
        wait_until_not_ready(&app);
        let hits = target.request_count();
        wait_until("probing to continue", || target.request_count() > hits + 20);
        assert_eq!(app.get("/v1/_internal/health").status, 200);
        assert_eq!(app.get("/metrics").status, 200);
        let began = Instant::now();
        let read = app.get("/v1/services");
        assert_eq!((read.status, read.header("retry-after")), (503, "1"), "{}", read.text);
        let write = app.send("POST", "/v1/services", &json!({"name": "x", "url": "http://a/"}));
        assert_eq!((write.status, write.header("retry-after")), (503, "1"), "{}", write.text);
        assert!(began.elapsed() < 2 * DEADLINE, "{:?}", began.elapsed());
        cluster.start();
        app.wait_for_log("the store takes writes again");
        app.wait_until_ready();
        assert_eq!(app.get("/v1/services").status, 200);
        assert_nothing_lost_or_doubled(app, &database);
    }

    #[test]
    fn requests_to_a_server_that_hangs_are_answered_within_the_deadline_and_do_not_pile_up() {
        let (cluster, database, app, target) = start();
        cluster.pause();
        // More than the two readers: most of them wait for their turn.
        let reading = &app;
        let longest = thread::scope(|scope| {
            let reads: Vec<_> = (1..=32)
                .map(|limit| {
                    scope.spawn(move || {
                        let began = Instant::now();
                        // Equal requests would share one query, and an empty page needs none.
                        let reply = reading.get(&format!("/v1/services?limit={limit}"));
                        assert!(matches!(reply.status, 503 | 429), "{}", reply.text);
                        began.elapsed()
                    })
                })
                .collect();
            reads.into_iter().map(|read| read.join().unwrap()).max().unwrap()
        });
        // The margin is for a busy machine; one by one, the reads would take 160 s.
        assert!(longest < 3 * DEADLINE, "{longest:?}");
        wait_until_not_ready(&app);
        let hits = target.request_count();
        wait_until("probing to continue", || target.request_count() > hits + 20);
        assert_eq!(app.get("/metrics").status, 200);
        cluster.resume();
        app.wait_until_ready();
        assert_eq!(app.get("/v1/services").status, 200);
        assert_nothing_lost_or_doubled(app, &database);
    }
}
