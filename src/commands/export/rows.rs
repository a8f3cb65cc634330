//! A tick a line: CSV (RFC 4180, but for the end of a line, which is that of Unix, so that `cut` and `awk` see no `\r`), and JSON.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::{Broken, Exported, Source};
use crate::domain::time::timestamp;
use crate::domain::{PHASES, Reason, StoredTick};
use crate::storage::history::walk::Walked;

const HEADER: &str = "service_id,service,group,time,time_ms,state,response_time_ms,http_status,reason,\
    resolve_ms,connect_ms,tls_ms,processing_ms,transfer_ms";

/// A line. What is not known is `None`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    service_id: i64,
    service: &'a str,
    group: Option<&'a str>,
    time: String,
    time_ms: i64,
    state: &'static str,
    response_time_ms: f64,
    http_status: Option<u16>,
    reason: Option<&'static str>,
    resolve_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    processing_ms: Option<f64>,
    transfer_ms: Option<f64>,
}

impl<'a> Row<'a> {
    fn new(service: &'a Walked, tick: &StoredTick) -> Self {
        let phases = tick.phases_us.map(|phases| phases.map(milliseconds));
        let [resolve_ms, connect_ms, tls_ms, processing_ms, transfer_ms] =
            phases.map_or([None; PHASES], |phases| phases.map(Some));
        Self {
            service_id: service.id.get(),
            service: &service.name,
            group: service.group.as_deref(),
            time: timestamp::to_rfc3339(tick.at_ms),
            time_ms: tick.at_ms,
            state: tick.state.as_str(),
            response_time_ms: milliseconds(tick.response_time_us),
            http_status: tick.http_status,
            reason: tick.reason.map(Reason::as_str),
            resolve_ms,
            connect_ms,
            tls_ms,
            processing_ms,
            transfer_ms,
        }
    }

    /// Writes it as a line of CSV, in the order of [`HEADER`].
    fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{},", self.service_id)?;
        write_quoted(out, self.service)?;
        out.write_all(b",")?;
        write_quoted(out, self.group.unwrap_or_default())?;
        write!(out, ",{},{},{},{}", self.time, self.time_ms, self.state, self.response_time_ms)?;
        write_cell(out, self.http_status)?;
        write_cell(out, self.reason)?;
        for phase in
            [self.resolve_ms, self.connect_ms, self.tls_ms, self.processing_ms, self.transfer_ms]
        {
            write_cell(out, phase)?;
        }
        out.write_all(b"\n")
    }
}

fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

/// A comma, and the value if there is one; such values need no quotes.
fn write_cell(out: &mut impl Write, value: Option<impl Display>) -> io::Result<()> {
    match value {
        Some(value) => write!(out, ",{value}"),
        None => out.write_all(b","),
    }
}

/// A text, in quotes where it needs them.
fn write_quoted(out: &mut impl Write, text: &str) -> io::Result<()> {
    if text.contains(['"', ',', '\n', '\r']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}

/// Everything as CSV.
pub(super) fn csv(
    source: &mut Source,
    services: &[Walked],
    out: &mut impl Write,
) -> Result<Exported, Broken> {
    writeln!(out, "{HEADER}")?;
    for service in services {
        source.each(service, |tick| Row::new(service, tick).write_csv(out))?;
    }
    Ok(Exported::default())
}

/// Everything as lines of JSON.
pub(super) fn jsonl(
    source: &mut Source,
    services: &[Walked],
    out: &mut impl Write,
) -> Result<Exported, Broken> {
    for service in services {
        source.each(service, |tick| {
            serde_json::to_writer(&mut *out, &Row::new(service, tick))?;
            out.write_all(b"\n")
        })?;
    }
    Ok(Exported::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ServiceId;
    use crate::domain::State;

    fn lines(tick: &StoredTick) -> (String, String) {
        let service = Walked {
            id: ServiceId::new(7).unwrap(),
            name: "=shop, \"west\"\n".to_owned(),
            group: None,
            newest_seq: 1,
        };
        let row = Row::new(&service, tick);
        let mut csv = Vec::new();
        row.write_csv(&mut csv).unwrap();
        (String::from_utf8(csv).unwrap(), serde_json::to_string(&row).unwrap())
    }

    #[test]
    fn a_tick_is_told_with_all_that_is_known() {
        let tick = StoredTick {
            at_ms: 1_795_430_803_120,
            state: State::Down,
            response_time_us: 12_345,
            phases_us: Some([0, 1_000, 0, 11_000, 345]),
            http_status: Some(503),
            reason: Some(Reason::Status),
        };
        let (csv, json) = lines(&tick);
        assert_eq!(
            csv,
            "7,\"=shop, \"\"west\"\"\n\",,2026-11-23T10:46:43.120Z,1795430803120,down,12.345,503,status,0,1,0,11,0.345\n"
        );
        assert!(json.starts_with(
            "{\"service_id\":7,\"service\":\"=shop, \\\"west\\\"\\n\",\"group\":null,"
        ));
        assert!(json.ends_with("\"processing_ms\":11.0,\"transfer_ms\":0.345}"), "{json}");

        let bare = StoredTick {
            state: State::Unknown,
            phases_us: None,
            http_status: None,
            reason: None,
            ..tick
        };
        let (csv, json) = lines(&bare);
        assert!(csv.ends_with(",unknown,12.345,,,,,,,\n"), "{csv}");
        assert!(
            json.contains("\"http_status\":null,\"reason\":null,\"resolve_ms\":null"),
            "{json}"
        );
    }

    #[test]
    fn the_header_names_the_keys_of_the_objects() {
        let tick = StoredTick {
            at_ms: 0,
            state: State::Up,
            response_time_us: 0,
            phases_us: None,
            http_status: None,
            reason: None,
        };
        let (csv, json) = lines(&tick);
        let keys: Vec<&str> = HEADER.split(',').collect();
        let mut at = 0;
        for key in &keys {
            at += json[at..].find(&format!("\"{key}\":")).unwrap();
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap();
        assert_eq!(object.len(), keys.len());
        let (_, after_the_name) = csv.rsplit_once('"').unwrap();
        assert_eq!(after_the_name.matches(',').count() + 2, keys.len());
    }
}
