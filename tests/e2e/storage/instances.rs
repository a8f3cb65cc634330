//! Several instances over one PostgreSQL database: what happens when one dies, is paused, stops or
//! joins.

mod on_postgres {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::Signal;
    use serde_json::{Value, json};
    use service_healthcheck::actors::scheduler::spread::Spread;
    use service_healthcheck::domain::ServiceId;

    use crate::support::{
        App, Behaviour, Cluster, Database, Launch, PostgresProxy, Receiver, Target,
        new_database_of, wait_for, wait_until,
    };

    /// `INSTANCE_TTL_SECONDS`.
    const TTL: Duration = Duration::from_secs(3);

    /// What the design promises beyond the TTL.
    const TAKEOVER: Duration = Duration::from_secs(2);

    /// How much longer a machine that is busy with other tests may take.
    const BUSY: Duration = Duration::from_secs(8);

    /// Rounds in CI. With more, the machine is quiet, and a pause lasts for [`LONG_PAUSE`].
    const ROUNDS: usize = 10;

    const LONG_PAUSE: Duration = Duration::from_secs(60);

    /// How much the clock of the machine of each instance is off, in milliseconds.
    const CLOCKS_MS: [i64; 3] = [-3_600_000, 0, 3_600_000];

    /// How long an instance that joins waits for its share at most.
    const SETTLED: Duration = Duration::from_secs(120);

    /// Most shards that are given back at once: five percent.
    const PORTION: i64 = 52;

    /// Services of the first five shards; those of shard 0, up to id 15, are the first ones that
    /// an instance gives back.
    const SERVICES: usize = 75;

    /// Instances that share a database.
    struct Fleet {
        database: Arc<Database>,
        base: Launch,
        interval: Duration,
    }

    impl Fleet {
        /// Each service is probed in this interval, in seconds.
        fn new(interval_seconds: u64) -> Self {
            let interval = Duration::from_secs(interval_seconds);
            let database = new_database_of(Cluster::shared());
            let base = Launch::new()
                .with_database(Arc::clone(&database))
                .with("INSTANCE_TTL_SECONDS", TTL.as_secs())
                .with("RUNNER_SCRAPE_INTERVAL_SECONDS", interval_seconds)
                .with("COMMIT_WINDOW_MS", 200);
            Self { database, base, interval }
        }

        fn launch(&self, name: &str) -> Launch {
            self.base.clone().with("INSTANCE_NAME", name)
        }

        fn start(&self, name: &str) -> App {
            self.launch(name).start()
        }

        fn text(&self, query: &str) -> String {
            self.database.query(query)[0][0].clone().unwrap_or_default()
        }

        fn number(&self, query: &str) -> i64 {
            self.text(query).parse().unwrap()
        }

        fn numbers<const N: usize>(&self, query: &str) -> Vec<[i64; N]> {
            let number = |text: Option<String>| text.unwrap().parse().unwrap();
            let rows = self.database.query(query).into_iter();
            rows.map(|row| {
                let row: Vec<i64> = row.into_iter().map(number).collect();
                row.try_into().unwrap()
            })
            .collect()
        }

        /// Name of the instance that probes the service.
        fn owner(&self, id: i64) -> String {
            self.text(&format!(
                "SELECT max(i.name) FROM shards s JOIN instances i ON i.id = s.owner_id \
                 AND i.ended_at_ms IS NULL WHERE s.shard = {id} / 16 % 1024"
            ))
        }

        /// Shards without a living owner.
        fn orphans(&self) -> i64 {
            self.number(
                "SELECT count(*) FROM shards s LEFT JOIN instances i ON i.id = s.owner_id \
                 AND i.ended_at_ms IS NULL WHERE i.id IS NULL",
            )
        }

        fn shards_of(&self, name: &str) -> i64 {
            self.number(&format!(
                "SELECT count(*) FROM shards s JOIN instances i ON i.id = s.owner_id \
                 AND i.ended_at_ms IS NULL WHERE i.name = '{name}'"
            ))
        }

        /// The living instances by id, each with the number of its writes.
        fn living(&self) -> Vec<[i64; 2]> {
            self.numbers("SELECT id, commit_no FROM instances WHERE ended_at_ms IS NULL ORDER BY 1")
        }

        /// The living instance of this name, and the number of its writes.
        fn instance(&self, name: &str) -> Option<[i64; 2]> {
            let living = "ended_at_ms IS NULL";
            let query = "SELECT id, commit_no FROM instances WHERE name =";
            self.numbers(&format!("{query} '{name}' AND {living}")).pop()
        }

        /// Waits until every shard has a living owner and that of `before` has none; returns how
        /// long that took.
        fn wait_for_takeover(&self, before: &str) -> Duration {
            let began = Instant::now();
            wait_until(&format!("the shards of {before} to be taken over"), || {
                self.shards_of(before) == 0 && self.orphans() == 0
            });
            began.elapsed()
        }

        /// When the slots of a service are due, in milliseconds after multiples of the interval.
        fn phase_ms(&self, id: i64) -> i64 {
            let phase = Spread::of(SERVICES).phase(ServiceId::new(id).unwrap(), self.interval);
            phase.as_millis() as i64
        }

        /// The slots that a result may be of. A probe may be a little early, and late until the
        /// next slot; one that leaves the queue just before that begins just after it.
        fn slots(&self, id: i64, at_ms: i64) -> [i64; 2] {
            let interval_ms = self.interval.as_millis() as i64;
            let slack_ms = interval_ms / 40 + 2;
            let slot = |at_ms: i64| (at_ms - self.phase_ms(id)).div_euclid(interval_ms);
            [slot(at_ms - slack_ms), slot(at_ms + slack_ms)]
        }

        /// By service and in order: the times of its results.
        fn results(&self) -> BTreeMap<i64, Vec<i64>> {
            let query = "SELECT service_id, at_ms FROM service_ticks ORDER BY service_id, seq";
            let mut results: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for [id, at_ms] in self.numbers(query) {
                results.entry(id).or_default().push(at_ms);
            }
            results
        }

        /// The number of slots between the second and the newest result of each service, and those
        /// of them that have neither a result nor a part in unknown time.
        fn slots_without_account(&self) -> (usize, Vec<String>) {
            let interval_ms = self.interval.as_millis() as i64;
            let unknown: Vec<[i64; 3]> = self.numbers(
                "SELECT service_id, date_started_ms, coalesce(date_ended_ms, 1::bigint << 60) \
                 FROM service_events WHERE event = 'unknown'",
            );
            let (mut all, mut missing) = (0, Vec::new());
            for (id, results) in self.results() {
                // The first probe of a service is off its grid.
                let probed: BTreeSet<i64> =
                    results[1..].iter().flat_map(|at_ms| self.slots(id, *at_ms)).collect();
                for slot in *probed.first().unwrap()..*probed.last().unwrap() {
                    all += 1;
                    let due_ms = self.phase_ms(id) + slot * interval_ms;
                    let is_unknown = unknown.iter().any(|[of, from_ms, to_ms]| {
                        *of == id && *from_ms < due_ms + interval_ms && due_ms < *to_ms
                    });
                    if probed.contains(&slot) || is_unknown {
                        continue;
                    }
                    let near =
                        |at_ms: &i64| at_ms.abs_diff(due_ms) < 4 * interval_ms.unsigned_abs();
                    let results: Vec<i64> =
                        results.iter().filter(|at| near(at)).map(|at| at - due_ms).collect();
                    missing.push(format!("service {id}, slot at {due_ms}, results {results:?}"));
                }
            }
            (all, missing)
        }

        /// Notes what is written by an instance that was ended, and results of services that the
        /// writer does not own. Instances are connected as users of their names.
        fn watch_writers(&self) {
            self.database.query(
                "CREATE TABLE test_strays (what text); \
                 CREATE FUNCTION note_stray() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     INSERT INTO test_strays VALUES (session_user || ': ' || NEW::text); \
                     RETURN NULL; \
                 END $$; \
                 CREATE FUNCTION owner_name(bigint) RETURNS text LANGUAGE sql AS $$ \
                     SELECT i.name FROM shards s JOIN instances i ON i.id = s.owner_id \
                     WHERE s.shard = $1 / 16 % 1024 AND i.ended_at_ms IS NULL $$; \
                 CREATE TRIGGER late AFTER UPDATE ON instances FOR EACH ROW \
                     WHEN (OLD.ended_at_ms IS NOT NULL) EXECUTE FUNCTION note_stray(); \
                 CREATE TRIGGER foreign_result AFTER INSERT ON service_ticks FOR EACH ROW \
                     WHEN (owner_name(NEW.service_id) IS DISTINCT FROM session_user) \
                     EXECUTE FUNCTION note_stray()",
            );
        }

        /// Notes the shards that each transaction gives back.
        fn watch_moves(&self) {
            self.database.query(
                "CREATE TABLE test_moves (at_ms bigint, transaction xid8, shards bigint); \
                 CREATE FUNCTION note_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     INSERT INTO test_moves SELECT extract(epoch FROM clock_timestamp()) * 1000, \
                         pg_current_xact_id(), count(*) FROM after WHERE owner_id IS NULL; \
                     RETURN NULL; \
                 END $$; \
                 CREATE TRIGGER moves AFTER UPDATE ON shards REFERENCING NEW TABLE AS after \
                     FOR EACH STATEMENT EXECUTE FUNCTION note_moves()",
            );
        }

        /// No slot has two results, results are in order, and the counts are those of the results.
        fn assert_sound(&self) {
            for (id, results) in self.results() {
                // Slot and time of the result before.
                let mut before = (i64::MIN, 0);
                for at_ms in results {
                    let [first, last] = self.slots(id, at_ms);
                    let slot = first.max(before.0 + 1);
                    assert!(slot <= last, "service {id}, slot {last}: {at_ms} after {}", before.1);
                    before = (slot, at_ms);
                }
            }
            let miscounted = self.number(
                "SELECT count(*) FROM service_metrics m WHERE m.tick_count + m.unknown_count <> \
                 (SELECT count(*) FROM service_ticks t WHERE t.service_id = m.service_id) \
                 + (SELECT coalesce(sum(c.tick_count), 0) FROM service_tick_chunks c \
                 WHERE c.service_id = m.service_id)",
            );
            assert_eq!(miscounted, 0, "counts of results");
            let several = self.number(
                "SELECT count(*) FROM (SELECT service_id FROM service_events \
                 WHERE date_ended_ms IS NULL GROUP BY 1 HAVING count(*) > 1) t",
            );
            assert_eq!(several, 0, "services with several open events");
        }
    }

    fn add_services(app: &App, target: &Target) {
        for nth in 0..SERVICES {
            app.add(&format!("s{nth}"), &target.url());
        }
    }

    fn metric(app: &App, name: &str) -> f64 {
        app.metric(&format!("service_healthcheck_{name}")).unwrap_or_default()
    }

    /// `INSTANCE_ROUNDS`, or [`ROUNDS`].
    fn rounds() -> usize {
        std::env::var("INSTANCE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
    }

    /// A second instance that has taken shard 0 over from the first.
    fn two(fleet: &Fleet) -> [App; 2] {
        let first = fleet.start("a");
        let second = fleet.start("b");
        wait_until("b to own shard 0", || fleet.owner(1) == "b");
        [first, second]
    }

    /// What happens to an instance.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum End {
        Killed,
        Paused,
        Stopped,
        CutOff,
    }

    const ENDS: [End; 4] = [End::Killed, End::Paused, End::CutOff, End::Stopped];

    /// An instance behind a proxy, connected as a user of its name.
    struct Proxied {
        name: &'static str,
        launch: Launch,
        proxy: PostgresProxy,
        app: App,
        /// Slots that ended processes have counted as missed.
        missed: f64,
    }

    impl Proxied {
        fn start(fleet: &Fleet, name: &'static str, clock_ms: i64) -> Self {
            fleet.database.query(&format!("CREATE ROLE {name} SUPERUSER LOGIN"));
            let proxy = PostgresProxy::start(&fleet.database);
            let launch = fleet.launch(name).with("DATABASE_URL", proxy.url(name));
            let launch = launch.with("FAILPOINTS_MACHINE_CLOCK_OFFSET_MS", clock_ms);
            let app = launch.start();
            Self { name, launch, proxy, app, missed: 0.0 }
        }

        /// Ends it, and brings it back. Returns how long the takeover took.
        fn replace(&mut self, fleet: &Fleet, end: End) -> Duration {
            let Self { name, .. } = *self;
            let missed_before = missed(&self.app);
            let [id, commit_no] = fleet.instance(name).unwrap();
            let takeover = || fleet.wait_for_takeover(name);
            match end {
                End::Killed => self.app.signal(Signal::KILL),
                End::Paused => self.app.signal(Signal::STOP),
                End::Stopped => {
                    self.app.signal(Signal::TERM);
                    assert_eq!(self.app.exit_code(), Some(0), "{}", self.app.log());
                }
                End::CutOff => {
                    self.proxy.cut_an_answer();
                    wait_until("its writes to go on", || {
                        fleet.instance(name).is_some_and(|it| it[0] == id && it[1] > commit_no + 3)
                    });
                    self.proxy.cut_off();
                }
            }
            let ended = Instant::now();
            let took = takeover();
            match end {
                End::Killed | End::Stopped => {
                    self.missed += missed_before;
                    self.app = self.launch.start();
                }
                End::Paused => {
                    let pause = if is_long() { LONG_PAUSE } else { took };
                    thread::sleep(pause.saturating_sub(ended.elapsed()));
                    self.app.signal(Signal::CONT);
                }
                End::CutOff => self.proxy.reopen(),
            }
            wait_until("it to register anew", || {
                fleet.instance(name).is_some_and(|[new, _]| new != id)
            });
            took
        }
    }

    /// Whether the figures of the design are measured, on a quiet machine.
    fn is_long() -> bool {
        rounds() > ROUNDS
    }

    /// Slots that the running process has counted as missed.
    fn missed(app: &App) -> f64 {
        let text = app.get("/metrics").text;
        let lines = text.lines();
        let lines =
            lines.filter(|line| line.starts_with("service_healthcheck_probes_missed_total"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    #[test]
    fn instances_that_die_are_paused_or_stop_are_replaced_and_no_slot_counts_twice() {
        let (fleet, target) = (Fleet::new(2), Target::healthy());
        fleet.watch_writers();
        let mut all = vec![Proxied::start(&fleet, "i0", CLOCKS_MS[0])];
        add_services(&all[0].app, &target);
        all.extend([1, 2].map(|nth| Proxied::start(&fleet, ["i1", "i2"][nth - 1], CLOCKS_MS[nth])));
        let mut took: BTreeMap<End, Vec<Duration>> = BTreeMap::new();
        for round in 0..rounds() {
            wait_until("every instance to own shards", || {
                all.iter().all(|it| fleet.shards_of(it.name) > 0) && fleet.orphans() == 0
            });
            let (nth, end) = (round % all.len(), ENDS[round % ENDS.len()]);
            took.entry(end).or_default().push(all[nth].replace(&fleet, end));
        }
        let busy = if is_long() { Duration::ZERO } else { BUSY };
        for (end, took) in &mut took {
            took.sort();
            let (count, median, longest) = (took.len(), took[took.len() / 2], took[took.len() - 1]);
            println!("{end:?}: {count} takeovers, median {median:.2?}, longest {longest:.2?}");
            let ttl = if *end == End::Stopped { Duration::ZERO } else { TTL };
            assert!(longest <= ttl + TAKEOVER + busy, "{end:?}: {took:?}");
        }
        let missed: f64 = all.iter().map(|it| it.missed + missed(&it.app)).sum();
        let (slots, missing) = fleet.slots_without_account();
        let results: usize = fleet.results().values().map(Vec::len).sum();
        println!(
            "{results} results of {slots} slots, {} without account, {missed} missed",
            missing.len()
        );
        assert!(
            missing.len() as f64 <= missed,
            "{missing:?} of {slots} slots, {missed} were missed"
        );
        let strays = fleet.database.query("SELECT what FROM test_strays");
        assert!(strays.is_empty(), "{strays:?}");
        fleet.assert_sound();
        let with_results = "SELECT count(*) FROM service_metrics";
        assert_eq!(fleet.number(with_results), SERVICES as i64, "every service has results");
    }

    #[test]
    fn an_instance_that_was_paused_discards_what_it_holds_and_registers_anew() {
        let (fleet, target) = (Fleet::new(2), Target::healthy());
        let [first, second] = two(&fleet);
        add_services(&first, &target);
        let in_shard_0 = 1;
        second.signal(Signal::STOP);
        fleet.wait_for_takeover("b");
        wait_until("a result of the new owner", || {
            let most = "SELECT coalesce(max(tick_count), 0) FROM service_metrics \
                        WHERE service_id < 16";
            fleet.number(most) > 0
        });
        second.signal(Signal::CONT);
        second.wait_for_log("what was not committed is discarded");
        second.wait_for_log("this instance has registered anew");
        second.wait_until_ready();
        // It gets its share again.
        wait_until("b to own shards", || fleet.owner(in_shard_0) == "b");
        assert!(metric(&second, "takeovers_total") >= 2.0);
        assert!(metric(&second, "outcomes_total{result=\"fenced\"}") >= 0.0);
        assert_eq!(metric(&second, "instances"), 2.0);
        first.stop();
        fleet.wait_for_takeover("a");
        assert_eq!(metric(&second, "shards_owned"), 1_024.0);
        fleet.assert_sound();
    }

    #[test]
    fn a_join_and_an_orderly_stop_miss_no_slot_and_make_nothing_unknown() {
        let (fleet, target) = (Fleet::new(5), Target::healthy());
        let first = fleet.start("a");
        add_services(&first, &target);
        for id in [1, SERVICES as i64] {
            first.wait_for_ticks(id, 1);
        }
        fleet.watch_moves();
        let (second, joined) = (fleet.start("b"), Instant::now());
        wait_until("b to own shard 0", || fleet.owner(1) == "b");
        second.wait_for_ticks(1, 3);
        if is_long() {
            wait_until("both to own their shares", || fleet.shards_of("b") == 512);
            let settled = joined.elapsed();
            println!("settled in {settled:.1?}");
            assert!(settled <= SETTLED, "{settled:?}");
        }
        let moves = wait_for("two moves", || {
            let moves: Vec<[i64; 2]> = fleet.numbers(
                "SELECT min(at_ms), sum(shards)::bigint FROM test_moves GROUP BY transaction \
                 HAVING sum(shards) > 0 ORDER BY 1",
            );
            (moves.len() >= 2).then_some(moves)
        });
        assert!(moves.iter().all(|[_, shards]| *shards <= PORTION), "{moves:?}");
        println!(
            "{} moves of at most {:?} shards",
            moves.len(),
            moves.iter().map(|it| it[1]).max()
        );
        let (missed_by_second, left) = (missed(&second), Instant::now());
        second.stop();
        wait_until("a to own everything", || fleet.shards_of("a") == 1_024);
        println!("left in {:.1?}", left.elapsed());
        let ticks = first.service(1)["metric"]["data"]["tick_count"].as_u64().unwrap();
        first.wait_for_ticks(1, ticks + 2);
        let missed = missed(&first) + missed_by_second;
        first.stop();
        let unknown = "SELECT count(*) FROM service_events WHERE event = 'unknown'";
        assert_eq!(fleet.number(unknown), 0);
        let (slots, missing) = fleet.slots_without_account();
        println!("{slots} slots, {} without a result, {missed} missed", missing.len());
        assert!(missing.len() as f64 <= missed, "{missing:?} of {slots}, {missed} were missed");
        fleet.assert_sound();
    }

    /// Makes every write of results fail, as a full disk does, until `writes_again`.
    const DISK_FULL: &str = "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ \
        BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$; \
        CREATE TRIGGER disk_full BEFORE UPDATE OF commit_no ON instances FOR EACH ROW \
        EXECUTE FUNCTION disk_full()";

    #[test]
    fn a_locked_table_and_a_full_disk_end_nobody_and_lose_nothing() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let [first, second] = two(&fleet);
        add_services(&first, &target);
        for id in [1, SERVICES as i64] {
            first.wait_for_ticks(id, 1);
        }
        let ids = || fleet.living().into_iter().map(|[id, _]| id).collect::<Vec<_>>();
        let numbers = || fleet.living().into_iter().map(|[_, no]| no).collect::<Vec<_>>();
        let before = ids();
        let wait_for_writes = |since: &[i64]| {
            wait_until("both to write again", || {
                numbers().iter().zip(since).all(|(now, then)| now > then)
            });
        };
        let too_long = TTL + TAKEOVER;

        // Writes of results wait for this lock, and an end of an instance would not.
        let lock = "BEGIN; LOCK TABLE service_ticks IN SHARE MODE; SELECT pg_sleep";
        fleet.database.query(&format!("{lock}({}); COMMIT", too_long.as_secs()));
        assert_eq!(ids(), before, "while a table was locked");
        wait_for_writes(&numbers());
        let unknown = "SELECT count(*) FROM service_events WHERE event = 'unknown'";
        assert_eq!(fleet.number(unknown), 0);

        fleet.database.query(DISK_FULL);
        let written = numbers();
        thread::sleep(too_long);
        assert_eq!((ids(), numbers()), (before.clone(), written.clone()));
        let ready = first.get("/v1/_internal/ready");
        assert_eq!(ready.status, 503, "{}", ready.text);
        assert!(ready.text.contains("No space left on device"), "{}", ready.text);
        // One that stops now has its whole time from the moment when the other can write.
        second.signal(Signal::STOP);
        fleet.database.query("DROP FUNCTION disk_full CASCADE");
        let resumed = Instant::now();
        wait_until("the other one to write", || fleet.instance("a").unwrap()[1] > written[0]);
        let least = resumed.elapsed() + TTL - Duration::from_secs(1);
        fleet.wait_for_takeover("b");
        assert!(resumed.elapsed() >= least, "{:?}", resumed.elapsed());
        second.signal(Signal::CONT);
        wait_until("it to register anew", || fleet.instance("b").is_some());
        println!("takeover {:.1?} after writes were possible", resumed.elapsed());
        let missed = missed(&first) + missed(&second);
        let (slots, missing) = fleet.slots_without_account();
        assert!(missing.len() as f64 <= missed, "{missing:?} of {slots}, {missed} were missed");
        first.stop();
        second.stop();
        fleet.assert_sound();
    }

    #[test]
    fn every_instance_shows_and_changes_every_service() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let [first, second] = two(&fleet);
        let of_second = first.add("elsewhere", &target.url());
        assert_eq!(fleet.owner(of_second), "b");
        first.wait_for_state(of_second, "up");

        // A change here is probed there, and shown here.
        let other = Target::start(Behaviour::Status(503));
        first.change(of_second, &json!({"url": other.url()}));
        first.wait_for_state(of_second, "down");
        let down =
            |app: &App| app.data("overview", "/v1/overview")["counts"]["down"].as_u64() == Some(1);
        wait_until("both to count it as down", || down(&first) && down(&second));

        first.pause(of_second);
        assert_eq!(first.service(of_second)["state"], "paused");
        wait_until("its pause to be an event", || {
            fleet.text("SELECT event FROM service_events ORDER BY id DESC LIMIT 1") == "paused"
        });
        let hits = other.request_count();
        first.change(of_second, &json!({"enabled": true, "name": "renamed"}));
        wait_until("it to be probed again", || other.request_count() > hits);
        wait_until("the other one to list the name", || second.names() == ["renamed"]);
        assert_eq!(first.delete(&format!("/v1/services/{of_second}")).status, 204);
        wait_until("the other one to list nothing", || {
            second.names().is_empty()
                && second.data("overview", "/v1/overview")["counts"]["total"] == 0
        });
        wait_until("the end of its last event", || {
            fleet.number("SELECT count(*) FROM service_events WHERE date_ended_ms IS NULL") == 0
        });
    }

    #[test]
    fn a_report_and_a_probe_on_demand_arrive_at_the_owner() {
        let (fleet, target) = (Fleet::new(60), Target::healthy());
        let [first, second] = two(&fleet);
        let job = first.add_with(&json!({
            "name": "job", "url": "push://job", "interval_seconds": 60,
            "heartbeat": {"token": "s3cret-of-the-job", "grace_seconds": 1}
        }));
        assert_eq!(fleet.owner(job), "b");
        let beat = format!("/v1/services/{job}/heartbeat?token=s3cret-of-the-job");
        for (nth, app) in (1..).zip([&first, &second]) {
            assert_eq!(app.request("POST", &beat, &[], "").status, 200);
            app.wait_for_ticks(job, nth);
        }
        first.wait_for_state(job, "up");
        let probed = first.add("probed", &target.url());
        first.wait_for_ticks(probed, 1);
        let probe = first.send("POST", &format!("/v1/services/{probed}/probe"), &Value::Null);
        assert_eq!(probe.status, 200, "{}", probe.text);
        first.wait_for_ticks(probed, 2);
        let rest = "SELECT count(*) FROM inbox";
        wait_until("the inbox to be empty", || fleet.number(rest) == 0);
        assert_eq!(fleet.number("SELECT count(*) FROM service_ticks"), 4);
    }

    #[test]
    fn an_alert_is_sent_once_whoever_finds_it_and_whoever_dies() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let [first, second] = two(&fleet);
        let receiver = Receiver::start();
        // The other one learns of the channel.
        receiver.create_channel(&second, "hook");
        let id = second.add_with(&json!({
            "name": "api", "url": target.url(),
            "alerts": [{"channel": "hook", "failure_threshold": 1, "success_threshold": 1,
                "send_on_resolved": true}],
        }));
        assert_eq!(fleet.owner(id), "b");
        // Between the end of one instance and the next look of the other nobody has it.
        let duty = "SELECT max(i.name) FROM duties d JOIN instances i ON i.id = d.owner_id \
                    AND i.ended_at_ms IS NULL WHERE d.name = 'alerts'";
        assert_eq!(fleet.text(duty), "a");
        second.wait_for_state(id, "up");
        target.set_behaviour(Behaviour::Status(503));
        receiver.wait_for_states("api", &["firing"]);
        // Acknowledged at the instance that does not decide.
        let alert = second.get("/v1/alerts").list("alerts")[0]["id"].clone();
        let path = format!("/v1/alerts/{alert}/acknowledge");
        let reply = second.send("POST", &path, &json!({"by": "Ann"}));
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.body["data"]["alert"]["data"]["state"], "acknowledged", "{}", reply.text);
        first.kill();
        wait_until("b to decide about alerts", || fleet.text(duty) == "b");
        target.set_behaviour(Behaviour::Status(200));
        receiver.wait_for_states("api", &["firing", "resolved"]);
        assert_eq!(receiver.received().len(), 2, "{:?}", receiver.received());
    }

    #[test]
    fn a_parent_of_another_instance_is_down_as_long_as_that_sees_it_down() {
        let (fleet, router, api) = (Fleet::new(1), Target::healthy(), Target::healthy());
        let [first, second] = two(&fleet);
        let receiver = Receiver::start();
        receiver.create_channel(&first, "hook");
        // Without an alert of its own.
        let parent = first.add("router", &router.url());
        let child = first.add_with(&json!({
            "name": "api", "url": api.url(), "depends_on": ["router"],
            "alerts": [{"channel": "hook", "failure_threshold": 1, "success_threshold": 1}],
        }));
        assert_eq!(fleet.owner(parent), "b", "and a decides about alerts");
        second.wait_for_state(parent, "up");
        second.wait_for_state(child, "up");
        router.set_behaviour(Behaviour::Status(503));
        api.set_behaviour(Behaviour::Status(503));
        wait_until("the alert of the child to be suppressed", || {
            let held = "SELECT count(*) FROM alerts WHERE suppressed_by = 'dependency'";
            fleet.number(held) == 1
        });
        // Every instance counts it in the navigation.
        for app in [&first, &second] {
            wait_until("the number of open alerts", || {
                app.get("/").text.contains("data-field=\"open\">1</b>")
            });
        }
        // Longer than what the probe of the parent says counts.
        thread::sleep(Duration::from_secs(7));
        assert_eq!(receiver.states_of("api"), Vec::<String>::new());
        router.set_behaviour(Behaviour::Status(200));
        receiver.wait_for_states("api", &["firing"]);
    }

    #[test]
    fn machines_whose_clocks_are_an_hour_apart_write_the_same_time() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let ahead = |name: &str, ms: i64| {
            fleet.launch(name).with("FAILPOINTS_MACHINE_CLOCK_OFFSET_MS", ms).start()
        };
        let first = ahead("a", -3_600_000);
        add_services(&first, &target);
        let second = ahead("b", 3_600_000);
        wait_until("b to own shard 0", || fleet.owner(1) == "b");
        let ticks = "SELECT coalesce(min(tick_count), 0) FROM service_metrics";
        let before = fleet.number(ticks);
        wait_until("each service to have more results", || fleet.number(ticks) > before + 3);
        second.stop();
        first.stop();
        let off = "SELECT count(*) FROM service_ticks WHERE abs(at_ms - \
                   extract(epoch FROM clock_timestamp()) * 1000) > 600000";
        assert_eq!(fleet.number(off), 0);
        // A slow machine may miss a slot; the difference of the clocks is a gap to nobody.
        let unknown = "SELECT count(*) FROM service_events WHERE event = 'unknown' \
                       AND coalesce(date_ended_ms, extract(epoch FROM clock_timestamp()) * 1000) \
                       - date_started_ms > 60000";
        assert_eq!(fleet.number(unknown), 0);
        fleet.assert_sound();
    }

    #[test]
    fn a_token_and_a_session_hold_at_every_instance() {
        let fleet = Fleet::new(60);
        let with_token = |name: &str| {
            fleet.launch(name).with("API_TOKEN", "token-of-the-api").with("API_READ", "token")
        };
        let (first, second) = (with_token("a").start(), with_token("b").start());
        let headers =
            [("authorization", "Bearer token-of-the-api"), ("content-type", "application/json")];
        let body = json!({"name": "reader", "scopes": ["read"]}).to_string();
        let created = first.request("POST", "/v1/tokens", &headers, &body);
        assert_eq!(created.status, 201, "{}", created.text);
        let token = created.body["data"]["token"]["data"]["text"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        wait_until("the other instance to know the token", || {
            let headers = [("authorization", bearer.as_str())];
            second.request("GET", "/v1/services", &headers, "").status == 200
        });
    }

    #[test]
    fn a_runner_probes_and_an_api_instance_shows() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let api = fleet.launch("web").with("ROLE", "api").start();
        assert_eq!(api.get("/").status, 200);
        let id = api.add("a", &target.url());
        let probe = api.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
        assert_eq!(probe.status, 200, "it probes on demand: {}", probe.text);
        assert_eq!(fleet.number("SELECT count(*) FROM service_ticks"), 0, "nobody owns it");

        let runner = fleet.launch("probes").with("ROLE", "runner").start();
        api.wait_for_ticks(id, 3);
        api.wait_for_state(id, "up");
        api.wait_until_ready();
        runner.wait_until_ready();
        for path in ["/", "/v1/services", "/openapi.json"] {
            let refused = runner.get(path);
            assert_eq!(refused.status, 404, "{path}");
            assert!(refused.errors().contains("role runner"), "{}", refused.text);
        }
        assert!(metric(&runner, "probes_total{result=\"up\"") > 0.0);

        let all = wait_for("both instances to be listed", || {
            let all = runner.data("instances", "/v1/_internal/instances");
            Some(all).filter(|all| all.as_array().is_some_and(|all| all.len() == 2))
        });
        let row = |nth: usize, key: &str| all[nth][key].clone();
        assert_eq!([row(0, "name"), row(0, "role")], [json!("web"), json!("api")]);
        assert_eq!([row(1, "name"), row(1, "role")], [json!("probes"), json!("runner")]);
        assert_eq!([row(0, "shards"), row(1, "shards")], [json!(0), json!(1_024)]);
        assert_eq!([row(0, "is_this"), row(1, "is_this")], [json!(false), json!(true)]);
        wait_until("results of the runner on pages of the other one", || {
            let page = api.get("/services").text;
            page.contains("data-field=\"checked\"><time")
        });
        let page = api.get("/instances").text;
        for text in ["web", "probes", "runner", "this one", "100"] {
            assert!(page.contains(text), "{text:?} in {page}");
        }
    }

    #[test]
    fn the_services_file_is_applied_by_one_instance_and_by_its_successor() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let file = |name: &str| {
            format!("endpoints:\n  - name: {name}\n    url: {}\n    interval: 1s\n", target.url())
        };
        let first = fleet.launch("a").with_services_file(&file("one")).start();
        assert_eq!(first.names(), ["one"]);
        let launch = Launch::new()
            .with_database(Arc::clone(&fleet.database))
            .with("INSTANCE_TTL_SECONDS", TTL.as_secs())
            .with("INSTANCE_NAME", "b")
            .with_services_file(&file("two"));
        let second = launch.start();
        second.wait_for_log("another instance applies its own");
        assert_eq!(second.names(), ["one"]);
        first.stop();
        wait_until("its successor to apply its file", || second.names() == ["two"]);
    }

    #[test]
    fn a_dead_instance_of_another_name_is_ended_after_the_ttl() {
        let (fleet, target) = (Fleet::new(1), Target::healthy());
        let first = fleet.start("first");
        let id = first.add("a", &target.url());
        first.wait_for_ticks(id, 1);
        first.kill();
        let second = fleet.start("second");
        assert_eq!(fleet.shards_of("second"), 0, "the other may be alive");
        fleet.wait_for_takeover("first");
        let before = second.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
        second.wait_for_ticks(id, before + 1);
        second.wait_for_log("has written nothing for too long and was ended");
        second.stop();
    }
}

mod on_sqlite {
    use crate::support::Launch;

    #[test]
    fn a_role_needs_a_database() {
        for launch in [Launch::new().with("ROLE", "runner"), Launch::new().with("ROLE", "api")] {
            let (code, output) = launch.run_to_end();
            assert_eq!(code, Some(2), "{output}");
            assert!(output.contains("ROLE") && output.contains("DATABASE_URL"), "{output}");
        }
        let (code, output) = Launch::new().run(&["run", "--role=runner"]);
        assert_eq!(code, Some(2), "{output}");
        assert!(output.contains("DATABASE_URL"), "{output}");
        let app = Launch::new().start();
        let all = app.data("instances", "/v1/_internal/instances");
        assert_eq!(
            (all[0]["shards"].as_u64(), all[0]["role"].as_str()),
            (Some(1_024), Some("all"))
        );
        assert_eq!(app.get("/instances").status, 200);
    }
}
