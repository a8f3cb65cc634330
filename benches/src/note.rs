//! The table as a note: when and where it was measured, by what, and how to do it again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::time::timestamp;

/// What stands between these lines of a file is written by this program.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Date, machine, versions and commands, and then the tables.
pub fn text(tables: &str, words: &[String], took: Duration) -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let parts = if words.is_empty() { "`make bench`".to_owned() } else { words.join(" ") };
    format!(
        "{date}, {cores} cores of {model}, Linux {kernel}; {rustc}; git {revision}. Measured by {parts} in {took:.0} s, the build \
         not counted; medians, and the least and most of the turns.\n\n{tables}",
        date = timestamp::to_rfc3339(unix_ms()),
        kernel = kernel.trim(),
        rustc = said(&["rustc", "--version"]),
        revision = said(&["git", "describe", "--always", "--dirty"]),
        took = took.as_secs_f64(),
    )
}

/// What a command says, or that it said nothing.
fn said(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().ok();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.filter(|said| !said.is_empty()).unwrap_or_else(|| format!("{} unknown", words[0]))
}

/// Puts `text` between the markers of `file`.
pub fn put_into(file: &Path, text: &str) {
    let old = std::fs::read_to_string(file).expect("the file of the note");
    let (before, rest) = old.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    let new = format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end());
    std::fs::write(file, new).expect("the note is written");
}
