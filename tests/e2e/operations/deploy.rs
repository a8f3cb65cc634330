//! The files in `deploy/`. Those for containers are checked by `tests/deploy.sh`.

use std::process::Command;

/// Highest rating of `systemd-analyze security`, in tenths: 0 is best, 100 is worst.
const HIGHEST_EXPOSURE: &str = "25";

const ONE: &str = "deploy/systemd/service-healthcheck.service";
const BY_ROLE: &str = "deploy/systemd/service-healthcheck@.service";

fn check_unit(unit: &str) {
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold", HIGHEST_EXPOSURE, unit])
        .output()
        .unwrap();
    assert!(security.status.success(), "{unit}: {}", String::from_utf8_lossy(&security.stdout));
    // The program is not installed here; anything else that is wrong is reported.
    let verified = Command::new("systemd-analyze").args(["verify", unit]).output().unwrap();
    let errors = String::from_utf8_lossy(&verified.stderr);
    let faults = errors.lines().filter(|line| !line.contains("is not executable"));
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<&str>::new(), "{unit}");
}

#[test]
fn the_units_for_systemd_are_valid_and_take_most_rights_away() {
    check_unit(ONE);
    check_unit(BY_ROLE);
}

#[test]
fn the_unit_of_a_role_takes_away_what_the_other_unit_does() {
    let lines = |unit| std::fs::read_to_string(unit).unwrap();
    let by_role = lines(BY_ROLE);
    let missing: Vec<String> = lines(ONE)
        .lines()
        .skip_while(|line| !line.starts_with("DynamicUser="))
        .filter(|line| !line.contains("State") && !line.starts_with("WorkingDirectory="))
        .filter(|line| !by_role.lines().any(|other| other == *line))
        .map(str::to_owned)
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
