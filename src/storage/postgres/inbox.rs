//! Outcomes that one instance has for the services of another: each a row with JSON.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Text};
use serde_json::{Value, json};

use super::connection::StoreConnection;
use super::schema::inbox;
use super::statement::statement;
use crate::domain::outcome::Phases;
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{Failure, Outcome, ProbeDetails, Reason, ServiceId, ShardSet};
use crate::storage::coordination::command::AlertCommand;
use crate::storage::port::Result;

/// Rows of one statement.
const ROWS: usize = 1_000;

/// Part of the caller's transaction.
pub fn insert(connection: &mut StoreConnection, outcomes: &[Outcome]) -> Result<()> {
    for part in outcomes.chunks(ROWS) {
        let rows = part.iter().map(|outcome| {
            (
                inbox::service_id.eq(outcome.service_id.get()),
                inbox::at_ms.eq(outcome.started_at_ms),
                inbox::outcome.eq(encode(outcome).to_string()),
            )
        });
        diesel::insert_into(inbox::table).values(rows.collect::<Vec<_>>()).execute(connection)?;
    }
    Ok(())
}

/// The first outcomes for services of these shards, by id, each with its id.
pub fn read(
    connection: &mut StoreConnection,
    shards: &ShardSet,
    limit: u32,
) -> Result<Vec<(i64, Outcome)>> {
    type Row = (i64, i64, i64, String);
    let (shards, limit) = (shards.to_bytes(), i64::from(limit));
    first_readable(
        limit,
        |after| Ok(Read { shards: &shards, after: &after, limit: &limit }.load(connection)?),
        |row: &Row| row.0,
        |(id, service_id, at_ms, text)| {
            let service_id = ServiceId::new(service_id)?;
            let outcome = decode(service_id, at_ms, &serde_json::from_str(&text).ok()?)?;
            Some((id, Outcome { inbox_id: Some(id), ..outcome }))
        },
    )
}

statement!(
    Read { shards: Bytea = Vec<u8>, after: BigInt = i64, limit: BigInt = i64 }
        -> (BigInt, BigInt, BigInt, Text),
    "SELECT id, service_id, at_ms, outcome FROM inbox \
        WHERE region_id = 0 AND service_id > 0 \
            AND get_bit(?, service_id / 16 % 1024) = 1 AND id > ? ORDER BY id LIMIT ?"
);

/// The first page of at most `limit` rows that has one which this version can read. The others,
/// which another version wrote, stay.
fn first_readable<R, T>(
    limit: i64,
    mut rows_after: impl FnMut(i64) -> Result<Vec<R>>,
    id: impl Fn(&R) -> i64,
    mut read: impl FnMut(R) -> Option<T>,
) -> Result<Vec<T>> {
    let mut after = 0;
    loop {
        let rows = rows_after(after)?;
        let is_last = (rows.len() as i64) < limit;
        after = rows.last().map_or(after, &id);
        let readable: Vec<T> = rows.into_iter().filter_map(&mut read).collect();
        if is_last || !readable.is_empty() {
            return Ok(readable);
        }
    }
}

/// The service of rows that are commands.
const NO_SERVICE: i64 = 0;

/// Part of the caller's transaction.
pub fn insert_command(connection: &mut StoreConnection, command: &AlertCommand) -> Result<()> {
    diesel::insert_into(inbox::table)
        .values((
            inbox::service_id.eq(NO_SERVICE),
            inbox::at_ms.eq(0),
            inbox::outcome.eq(command.to_json().to_string()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The first commands, by id.
pub fn commands(connection: &mut StoreConnection, limit: u32) -> Result<Vec<(i64, AlertCommand)>> {
    type Row = (i64, String);
    first_readable(
        limit.into(),
        |after| {
            let rows = inbox::table
                .filter(inbox::service_id.eq(NO_SERVICE).and(inbox::id.gt(after)))
                .order(inbox::id)
                .limit(limit.into())
                .select((inbox::id, inbox::outcome));
            Ok(rows.load(connection)?)
        },
        |row: &Row| row.0,
        |(id, text)| Some((id, AlertCommand::from_json(&serde_json::from_str(&text).ok()?)?)),
    )
}

pub fn delete(connection: &mut StoreConnection, ids: &[i64]) -> Result<()> {
    diesel::delete(inbox::table.filter(inbox::id.eq_any(ids))).execute(connection)?;
    Ok(())
}

/// What a commit stores of an outcome.
fn encode(outcome: &Outcome) -> Value {
    let failure = |failure: &Option<Failure>| {
        failure.as_ref().map(|failure| json!([failure.reason.as_str(), failure.detail]))
    };
    let ProbeDetails { address, redirects, http_version, tls_version, .. } = &outcome.details;
    let details = &outcome.details;
    json!({
        "response_us": micros(outcome.response_time),
        "http_status": outcome.http_status,
        "failure": failure(&outcome.failure),
        "expected_failure": failure(&outcome.expected_failure),
        "phases_us": outcome.phases.named().map(|(_, duration)| micros(duration)),
        "network_down": outcome.network_down,
        "address": address.map(|address| address.to_string()),
        "via_proxy": details.via_proxy,
        "redirects": redirects,
        "http_version": http_version.map(HttpVersion::as_str),
        "tls_version": tls_version.map(TlsVersion::as_str),
        "certificate_expires_at": details.certificate_expires_at,
        "own_certificate_expires_at": details.own_certificate_expires_at,
        "verified_chain_expires_at": details.verified_chain_expires_at,
        "domain_expires_at": details.domain_expires_at,
    })
}

/// `None` for what [`encode`] has not made.
fn decode(service_id: ServiceId, at_ms: i64, value: &Value) -> Option<Outcome> {
    let micros = |value: &Value| value.as_u64().map(Duration::from_micros);
    let failure = |key: &str| match &value[key] {
        Value::Null => Some(None),
        failure => {
            let reason = Reason::from_word(failure[0].as_str()?)?;
            Some(Some(Failure::new(reason, failure[1].as_str()?)))
        }
    };
    let [resolve, connect, tls, processing, transfer] =
        [0, 1, 2, 3, 4].map(|nth| micros(&value["phases_us"][nth]));
    let text = |key: &str| value[key].as_str();
    let details = ProbeDetails {
        address: text("address").map(str::parse).transpose().ok()?,
        via_proxy: value["via_proxy"].as_bool()?,
        redirects: u32::try_from(value["redirects"].as_u64()?).ok()?,
        http_version: text("http_version").and_then(HttpVersion::parse),
        tls_version: text("tls_version").and_then(TlsVersion::parse),
        certificate_expires_at: value["certificate_expires_at"].as_i64(),
        own_certificate_expires_at: value["own_certificate_expires_at"].as_i64(),
        verified_chain_expires_at: value["verified_chain_expires_at"].as_i64(),
        domain_expires_at: value["domain_expires_at"].as_i64(),
        ..ProbeDetails::default()
    };
    let response_time = micros(&value["response_us"])?;
    let http_status = value["http_status"].as_u64().and_then(|it| u16::try_from(it).ok());
    Some(Outcome {
        http_status,
        expected_failure: failure("expected_failure")?,
        phases: Phases {
            resolve: resolve?,
            connect: connect?,
            tls: tls?,
            processing: processing?,
            transfer: transfer?,
        },
        details,
        network_down: value["network_down"].as_bool()?,
        ..Outcome::without_details(service_id, at_ms, response_time, failure("failure")?)
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn what_is_stored_of_an_outcome_survives() {
        let plain = sample::outcome(7, 1_000);
        let failed = Outcome {
            failure: Some(Failure::new(Reason::Timeout, "after \"10 s\"")),
            http_status: Some(503),
            network_down: true,
            details: ProbeDetails {
                address: Some("[::1]:443".parse().unwrap()),
                redirects: 2,
                http_version: HttpVersion::parse("2"),
                tls_version: TlsVersion::parse("TLS 1.3"),
                certificate_expires_at: Some(1_795_435_200),
                ..ProbeDetails::default()
            },
            ..sample::outcome(7, 2_000)
        };
        for outcome in [plain, failed] {
            let outcome = Outcome { revision: None, scheduled_every: None, ..outcome };
            let (id, at_ms) = (outcome.service_id, outcome.started_at_ms);
            assert_eq!(decode(id, at_ms, &encode(&outcome)), Some(outcome));
        }
        assert_eq!(decode(ServiceId::new(1).unwrap(), 0, &json!({})), None);
    }
}
