//! Crashes of PostgreSQL while results come in.

mod on_postgres {
    use crate::support::{Cluster, ClusterOptions, Launch, Target, new_database_of};

    const SERVICES: i64 = 32;
    const RESTARTS: u32 = 20;

    #[test]
    fn crashes_of_the_server_neither_lose_nor_double_results() {
        let cluster = Cluster::new(&ClusterOptions::default().fsync());
        let launch = Launch::new()
            .with_database(new_database_of(&cluster))
            .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1")
            .with("TICKS_PER_CHUNK", "10");
        let app = launch.start();
        let target = Target::healthy();
        for name in 0..SERVICES {
            app.add(&name.to_string(), &target.url());
        }
        let recorded = "service_healthcheck_outcomes_total{result=\"recorded\"}";
        let mut least = 0.0;
        for _ in 0..RESTARTS {
            // The connections end in the middle of a commit, or of a sealing, or between them.
            cluster.restart();
            least = app.wait_for_metric(recorded, least + 50.0);
        }
        let log = app.stop();
        assert!(log.contains("every outcome is in the store"), "{log}");
        let db = launch.db();
        assert_eq!(super::super::ticks(&db), target.request_count() as i64, "{log}");
        let events = db.number("SELECT count(*) FROM service_events");
        assert_eq!(events, SERVICES, "an uptime for each service, and no gap");
        db.assert_consistent();
        let (code, output) = launch.run(&["check-db"]);
        assert!(code == Some(0) && output.starts_with("whole: "), "{output}");
    }
}
