//! The files in `deploy/`.

use std::process::Command;

/// Highest rating of `systemd-analyze security`, in tenths: 0 is best, 100 is worst.
const HIGHEST_EXPOSURE: &str = "25";

#[test]
fn the_unit_for_systemd_is_valid_and_takes_most_rights_away() {
    let unit = "deploy/systemd/service-healthcheck.service";
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold", HIGHEST_EXPOSURE, unit])
        .output()
        .unwrap();
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));
    // The program is not installed here; anything else that is wrong is reported.
    let verified = Command::new("systemd-analyze").args(["verify", unit]).output().unwrap();
    let errors = String::from_utf8_lossy(&verified.stderr);
    let faults = errors.lines().filter(|line| !line.contains("is not executable"));
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<&str>::new());
}
