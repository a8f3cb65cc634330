//! The output of a plugin: a line of text, performance data behind `|`, and further lines (Nagios
//! plugin development guidelines, "Plugin Output for Nagios").

use crate::domain::{Perfdata, PluginResult, PluginState};
use crate::probe::exec::perfdata;

/// The result of a plugin that wrote `stdout` and `stderr`. Without a first line on `stdout`, the
/// first line on `stderr` is the text.
pub fn parse(state: PluginState, stdout: &[u8], stderr: &[u8]) -> PluginResult {
    let output = String::from_utf8_lossy(stdout);
    let (first, more) = output.split_once('\n').unwrap_or((&output, ""));
    let (text, perfdata) = first.split_once('|').unwrap_or((first, ""));
    let text = match text.trim() {
        "" => first_line(stderr),
        text => text.to_owned(),
    };
    PluginResult { state, text, perfdata: all_perfdata(perfdata, more) }
}

/// The values of the first line, and those behind the `|` of the further lines.
fn all_perfdata(first: &str, more: &str) -> Vec<Perfdata> {
    match more.split_once('|') {
        Some((_long_text, more)) => perfdata::parse(&format!("{first}\n{more}")),
        None => perfdata::parse(first),
    }
}

/// The first line that is not empty, without space at either end.
pub fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text and the labels.
    fn parsed(stdout: &str, stderr: &str) -> (String, Vec<String>) {
        let result = parse(PluginState::Ok, stdout.as_bytes(), stderr.as_bytes());
        (result.text, result.perfdata.into_iter().map(|value| value.label).collect())
    }

    #[test]
    fn text_and_performance_data_are_separated() {
        for (stdout, text, labels) in [
            ("PING OK - 0% loss|rta=0.8ms pl=0%\n", "PING OK - 0% loss", vec!["rta", "pl"]),
            (
                "DISK OK | /=1MB\nlong text\nmore | /home=2MB\n'/a b'=3MB\n",
                "DISK OK",
                vec!["/", "/home", "/a b"],
            ),
            ("OK\nlong text without data\n", "OK", vec![]),
            ("OK | a=1 | b=2", "OK", vec!["a", "b"]),
            ("ümlaut\r\n", "ümlaut", vec![]),
            ("", "", vec![]),
        ] {
            let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
            assert_eq!(
                parsed(stdout, "ignored"),
                match stdout {
                    "" => ("ignored".to_owned(), labels),
                    _ => (text.to_owned(), labels),
                }
            );
        }
        assert_eq!(parsed("\n", "\n  bad option \nmore\n").0, "bad option");
        assert_eq!(parsed("", ""), (String::new(), vec![]));
    }
}
