//! The report: date, machine, versions and tables.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::time::timestamp;

/// This program writes the text between these two lines of a file.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Date, machine, versions and command, followed by the tables.
pub fn text(tables: &str, words: &[String], took: Duration) -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let parts = if words.is_empty() { "`make bench`".to_owned() } else { words.join(" ") };
    format!(
        "{date}, {cores} cores of {model}, Linux {kernel}; {rustc}; \
         git {revision}.\n\nMeasured by {parts} in {took:.0} s, without the build; medians, with \
         minimum and maximum of the turns.\n\n{tables}",
        date = timestamp::to_rfc3339(unix_ms()),
        kernel = kernel.trim(),
        rustc = output_of(&["rustc", "--version"]),
        revision = output_of(&["git", "describe", "--always", "--dirty"]),
        took = took.as_secs_f64(),
    )
}

/// The trimmed output of a command, or that it is unknown.
fn output_of(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("{} unknown", words[0]))
}

/// Replaces the text between the markers of `file`.
pub fn put_into(file: &Path, text: &str) {
    let old = std::fs::read_to_string(file).expect("the file of the note");
    let (before, rest) = old.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    let new = format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end());
    std::fs::write(file, new).expect("the note is written");
}
