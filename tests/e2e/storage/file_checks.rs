//! Database files that must not be opened.

use crate::support::{Launch, go_database};

#[test]
fn a_second_process_on_the_same_file_is_rejected_with_the_pid_of_the_first() {
    let launch = Launch::new();
    let app = launch.start();
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(1));
    let holder =
        format!("in use by another service-healthcheck (pid {})", app.pid().as_raw_nonzero());
    assert!(output.contains("db.db") && output.contains(&holder), "{output}");
    app.wait_until_ready();
}

#[test]
fn a_second_process_is_rejected_without_the_lock_file_and_under_another_name() {
    let launch = Launch::new();
    let app = launch.start();
    let in_folder = |name: &str| launch.folder().join(name);
    std::fs::remove_file(in_folder("db.db.lock")).unwrap();
    std::fs::hard_link(in_folder("db.db"), in_folder("hard.db")).unwrap();
    std::os::unix::fs::symlink("db.db", in_folder("soft.db")).unwrap();
    for name in ["db.db", "hard.db", "soft.db"] {
        let (code, output) = launch
            .command(&["run"])
            .env("DB_FILE", name)
            .output()
            .map(|output| {
                (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
            })
            .unwrap();
        assert_eq!(code, Some(1), "{name}: {output}");
        let expected = format!("{name} is in use by another service-healthcheck");
        assert!(output.contains(&expected), "{name}: {output}");
    }
    app.wait_until_ready();
    app.stop();
}

#[test]
fn a_damaged_or_foreign_file_is_rejected_and_stays_unchanged() {
    let launch = Launch::new();
    let file = launch.folder().join("db.db");
    launch.start().stop();
    let good = std::fs::read(&file).unwrap();
    let go_db = std::fs::read(go_database()).unwrap();
    let mut torn = good.clone();
    torn[8_192..12_288].fill(0xa5);
    for (what, bytes, expected) in [
        ("torn", torn, "is damaged"),
        ("cut off", good[..good.len() / 2].to_vec(), "is damaged"),
        ("a text", b"dear diary".to_vec(), "not an SQLite file"),
        ("the seed's", go_db, "import go-db"),
    ] {
        std::fs::write(&file, &bytes).unwrap();
        let (code, output) = launch.run_to_end();
        assert_eq!(code, Some(1), "{what}: {output}");
        assert!(output.contains(expected) && output.contains("db.db"), "{what}: {output}");
        assert!(std::fs::read(&file).unwrap() == bytes, "{what}: the file was changed");
    }
    std::fs::write(&file, good).unwrap();
    launch.start().stop();
}
