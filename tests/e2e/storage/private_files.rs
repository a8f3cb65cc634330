//! The modes of the files that the program creates.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::run_ok;
use crate::support::{Launch, Target, go_database};

/// Runs the program with this umask.
fn launch(umask: &str) -> Launch {
    Launch::new().wrapped_in(&["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"])
}

/// Every file in `folder` but the services file, with its mode.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let name = |file: &fs::DirEntry| file.file_name().into_string().unwrap();
    let mut modes: Vec<_> = files.map(|file| (name(&file), mode(&file.path()))).collect();
    modes.sort();
    modes
}

fn assert_private(folder: &Path, expected: &[&str]) {
    let modes = modes(folder);
    for name in expected {
        assert!(modes.iter().any(|(found, _)| found == name), "{name} in {modes:?}");
    }
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn every_file_is_private_whatever_the_umask_is() {
    for umask in ["000", "077"] {
        let launch = launch(umask);
        let (app, target) = (launch.start(), Target::healthy());
        app.wait_for_ticks(app.add("a", &target.url()), 1);
        assert!(!app.log().contains("other users"), "{}", app.log());
        run_ok(&launch, &["backup", "copy.db"]);
        assert_private(
            launch.folder(),
            &["copy.db", "db.db", "db.db-shm", "db.db-wal", "db.db.lock"],
        );
        app.stop();
        run_ok(&launch, &["restore", "copy.db"]);
        assert_private(launch.folder(), &["copy.db", "db.db"]);
        assert_eq!(
            modes(launch.folder()).iter().filter(|(name, _)| name.contains("before")).count(),
            1
        );

        let importing = self::launch(umask);
        importing.command(&["import", "go-db", go_database().to_str().unwrap()]).output().unwrap();
        assert_private(importing.folder(), &["db.db", "db.db.lock"]);
        let restoring = self::launch(umask);
        run_ok(&restoring, &["restore", launch.folder().join("db.db").to_str().unwrap()]);
        assert_private(restoring.folder(), &["db.db"]);
    }
}

#[test]
fn a_file_that_others_may_open_is_warned_of_and_left_as_it_is() {
    let launch = Launch::new();
    launch.start().stop();
    let file = launch.folder().join("db.db");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let app = launch.start();
    app.wait_for_log("other users may open a file that may hold secrets");
    app.wait_for_log("mode: 640");
    // The mode of a backup is that of every new file.
    run_ok(&launch, &["backup", "copy.db"]);
    app.stop();
    let modes = modes(launch.folder());
    assert!(modes.contains(&("db.db".to_owned(), 0o640)), "{modes:?}");
    assert!(modes.contains(&("copy.db".to_owned(), 0o600)), "{modes:?}");
}
