//! The private PostgreSQL cluster of the tests.

mod on_postgres {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use crate::support::{Cluster, wait_until};

    #[test]
    fn a_cluster_ends_with_its_owner_and_leaves_no_folder() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres.sh");
        let owner = ["-c", "echo start; exec sleep 1000"];
        let mut owner = Command::new("sh").args(owner).stdout(Stdio::piped()).spawn().unwrap();
        let commands = owner.stdout.take().unwrap();
        let server = Command::new(script).stdin(commands).stdout(Stdio::piped()).spawn();
        let mut server = server.unwrap();
        let answers = BufReader::new(server.stdout.take().unwrap());
        let mut answers = answers.lines().map(Result::unwrap);
        let folder = answers.next().unwrap();
        assert_eq!(answers.next().unwrap(), "ok");
        let pid_file = std::fs::read_to_string(format!("{folder}/data/postmaster.pid")).unwrap();
        let process = format!("/proc/{}", pid_file.lines().next().unwrap());
        assert!(Path::new(&process).exists());
        // SIGKILL.
        owner.kill().unwrap();
        owner.wait().unwrap();
        wait_until("the server to end", || !Path::new(&process).exists());
        server.wait().unwrap();
        assert!(!Path::new(&folder).exists());
    }

    #[test]
    fn a_finished_test_leaves_no_database() {
        let cluster = Cluster::shared();
        let database = cluster.empty_database();
        database.query("CREATE TABLE t (i int); INSERT INTO t VALUES (7)");
        assert_eq!(database.query("SELECT i, NULL FROM t"), [[Some("7".to_owned()), None]]);
        let listed = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", database.name());
        drop(database);
        let other = cluster.empty_database();
        wait_until("the database to be dropped", || other.query(&listed).is_empty());
    }
}
