//! One tick per line, as CSV or as JSON. The CSV is that of RFC 4180, but lines end with `\n`, so
//! that `cut` and `awk` see no `\r`.

use std::io::Write;

use serde::Serialize;

use super::source::{ExportError, Exported, TickSource, io_error};
use crate::domain::time::timestamp;
use crate::domain::{PHASES, Reason, StoredTick};
use crate::storage::records::NamedService;

/// The names of the columns, which are the keys of the JSON objects.
const COLUMNS: [&str; 14] = [
    "service_id",
    "service",
    "group",
    "time",
    "time_ms",
    "state",
    "response_time_ms",
    "http_status",
    "reason",
    "resolve_ms",
    "connect_ms",
    "tls_ms",
    "processing_ms",
    "transfer_ms",
];

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
    fn new(service: &'a NamedService, tick: &StoredTick) -> Self {
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

    /// The cells of a line of CSV, in the order of [`COLUMNS`]; an unknown value is empty. Numbers
    /// are written as `Display` does: `11` and not `11.0`, which serde would make of it.
    fn cells(&self) -> [String; COLUMNS.len()] {
        [
            self.service_id.to_string(),
            self.service.to_owned(),
            text(self.group),
            self.time.clone(),
            self.time_ms.to_string(),
            self.state.to_owned(),
            self.response_time_ms.to_string(),
            text(self.http_status),
            text(self.reason),
            text(self.resolve_ms),
            text(self.connect_ms),
            text(self.tls_ms),
            text(self.processing_ms),
            text(self.transfer_ms),
        ]
    }
}

fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn csv_writer<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(out)
}

pub(super) fn write_csv(
    source: &mut TickSource,
    services: &[NamedService],
    out: &mut impl Write,
) -> Result<Exported, ExportError> {
    let mut out = csv_writer(out);
    out.write_record(COLUMNS)?;
    for service in services {
        source.for_each(service, |tick| {
            out.write_record(Row::new(service, tick).cells()).map_err(io_error)
        })?;
    }
    out.flush()?;
    Ok(Exported::default())
}

pub(super) fn write_jsonl(
    source: &mut TickSource,
    services: &[NamedService],
    out: &mut impl Write,
) -> Result<Exported, ExportError> {
    for service in services {
        source.for_each(service, |tick| {
            serde_json::to_writer(&mut *out, &Row::new(service, tick))?;
            out.write_all(b"\n")
        })?;
    }
    Ok(Exported::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Labels, ServiceId, State};

    fn lines(tick: &StoredTick) -> (String, String) {
        let service = NamedService {
            id: ServiceId::new(7).unwrap(),
            name: "=shop, \"west\"\n".to_owned(),
            group: None,
            labels: Labels::default(),
            newest_seq: 1,
        };
        let row = Row::new(&service, tick);
        let mut csv = csv_writer(Vec::new());
        csv.write_record(row.cells()).unwrap();
        let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
        (csv, serde_json::to_string(&row).unwrap())
    }

    #[test]
    fn a_line_has_every_known_value_of_a_tick() {
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
            "7,\"=shop, \"\"west\"\"\n\",,2026-11-23T10:46:43.120Z,1795430803120,down,12.345,503,\
             status,0,1,0,11,0.345\n"
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
    fn texts_are_quoted_only_where_they_must_be() {
        let quoted = |text: &str| {
            let mut csv = csv_writer(Vec::new());
            csv.write_record([text, ""]).unwrap();
            String::from_utf8(csv.into_inner().unwrap()).unwrap()
        };
        for plain in ["", " a b ", "=1+1", "#a", "a;b\tc", "ü'`"] {
            assert_eq!(quoted(plain), format!("{plain},\n"));
        }
        for special in ["a,b", "a\nb", "a\rb", ","] {
            assert_eq!(quoted(special), format!("\"{special}\",\n"));
        }
        assert_eq!(quoted("\"a\""), "\"\"\"a\"\"\",\n");
    }

    #[test]
    fn the_columns_are_the_keys_of_the_objects() {
        let tick = StoredTick {
            at_ms: 0,
            state: State::Up,
            response_time_us: 0,
            phases_us: None,
            http_status: None,
            reason: None,
        };
        let (csv, json) = lines(&tick);
        let mut at = 0;
        for key in COLUMNS {
            at += json[at..].find(&format!("\"{key}\":")).unwrap();
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap();
        assert_eq!(object.len(), COLUMNS.len());
        let (_, after_name) = csv.rsplit_once('"').unwrap();
        assert_eq!(after_name.matches(',').count() + 2, COLUMNS.len());
    }
}
