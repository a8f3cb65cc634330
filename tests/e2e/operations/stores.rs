//! The stores that `make test` runs the tests on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Exit code and output of `tests/run.sh`, with a cargo that prints its arguments.
fn run(stores: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("cargo");
    std::fs::write(&cargo, "#!/bin/sh\necho cargo \"$@\"\n").unwrap();
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run.sh");
    let output = Command::new(script).args(stores).env("PATH", path).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn make_test_runs_the_stores_that_it_is_given_and_names_them() {
    let (code, output) = run(&["sqlite"]);
    assert_eq!(
        (code, output.as_str()),
        (Some(0), "stores: sqlite\ncargo test --locked -- --skip on_postgres\n")
    );
    let (code, output) = run(&["mysql"]);
    let sentence = "STORES: invalid value mysql, expected sqlite, postgres or both\n";
    assert_eq!((code, output.as_str()), (Some(2), sentence));
}

mod on_postgres {
    use super::run;

    #[test]
    fn both_stores_are_the_default_where_postgresql_is_installed() {
        for (stores, arguments, ran) in [
            (&["postgres"][..], " --skip on_sqlite", "postgres"),
            (&["both"], "", "both"),
            (&[], "", "both"),
        ] {
            let expected = format!("stores: {ran}\ncargo test --locked --{arguments}\n");
            assert_eq!(run(stores), (Some(0), expected));
        }
    }
}
