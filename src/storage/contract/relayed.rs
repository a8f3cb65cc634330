//! What remote write needs of a store.

use crate::domain::audit::AuditSource;
use crate::domain::{ServiceId, State};
use crate::storage::history::check::check;
use crate::storage::history::rows::Unrelayed;
use crate::storage::history::unrelayed::{ListUnrelayed, ReadUnrelayed};
use crate::storage::port::Query;
use crate::storage::records::Change;
use crate::storage::relayed::RelayedSeqs;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcomes, plain, quiet};

for_each_store!(
    a_commit_stores_the_cursors_of_its_services,
    cursors_are_stored_alone_and_never_move_back,
    services_with_ticks_to_relay_are_listed_by_id,
    each_tick_is_read_once_wherever_it_is,
);

/// Id, cursor and newest tick of the services with ticks to relay.
fn unrelayed(f: &mut Fixture) -> Vec<(ServiceId, u64, u64)> {
    let rows = ListUnrelayed { after: 0, limit: 100 }.run(&mut *f.reader).unwrap();
    rows.iter().map(|row| (row.service_id, row.relayed_seq, row.newest_seq)).collect()
}

fn record(f: &mut Fixture, id: ServiceId, count: i64, from_ms: i64) {
    let group = outcomes(id, &quiet(count, from_ms, 1));
    f.commit(&group, from_ms);
}

fn a_commit_stores_the_cursors_of_its_services(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let [one, other] = f.ids[..] else { unreachable!() };
    let group = outcomes(one, &quiet(2, START_MS, 1));
    assert_eq!(f.commit(&group, START_MS).ticks, [], "nothing is relayed");
    let seqs = RelayedSeqs::default();
    f.ledger.relay(seqs.clone());
    record(&mut f, other, 3, START_MS);
    seqs.relayed(one, 2);
    seqs.relayed(other, 1);
    assert_eq!(unrelayed(&mut f), [(one, 0, 2), (other, 0, 3)]);

    let ticks = [plain(State::Up, START_MS + 10), plain(State::Down, START_MS + 11)];
    let committed = f.commit(&outcomes(one, &ticks), START_MS);
    let reported = committed.ticks.iter().map(|new| (new.service_id, new.seq, new.tick));
    assert_eq!(reported.collect::<Vec<_>>(), [(one, 3, ticks[0]), (one, 4, ticks[1])]);
    assert_eq!(unrelayed(&mut f), [(one, 2, 4), (other, 0, 3)]);
    assert_eq!(seqs.all_unsaved(), [(other, 1)]);
    // Without a new cursor, the stored one stays.
    record(&mut f, one, 1, START_MS + 20);
    assert_eq!(unrelayed(&mut f)[0], (one, 2, 5));
    f.assert_consistent();
}

fn cursors_are_stored_alone_and_never_move_back(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 3);
    let [one, other, silent] = f.ids[..] else { unreachable!() };
    record(&mut f, one, 5, START_MS);
    record(&mut f, other, 5, START_MS);
    f.writer.set_relayed(&[(one, 4), (other, 5), (silent, 0)]).unwrap();
    assert_eq!(unrelayed(&mut f), [(one, 4, 5)]);
    f.writer.set_relayed(&[(one, 3)]).unwrap();
    f.writer.set_relayed(&[]).unwrap();
    assert_eq!(unrelayed(&mut f), [(one, 4, 5)]);
    record(&mut f, other, 1, START_MS + 10);
    assert_eq!(unrelayed(&mut f), [(one, 4, 5), (other, 5, 6)]);
    f.assert_consistent();
    f.writer.set_relayed(&[(one, 6)]).unwrap();
    let problems = check(&mut *f.reader).unwrap().problems;
    let expected = format!("service {one} is relayed up to tick 6, and its newest is 5");
    assert_eq!(problems, [expected]);
}

fn services_with_ticks_to_relay_are_listed_by_id(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 5);
    let ids = f.ids.clone();
    for id in &ids[..4] {
        record(&mut f, *id, 1, START_MS);
    }
    f.writer.set_relayed(&[(ids[1], 1)]).unwrap();
    f.writer.define(Change::Delete(ids[3]), &AuditSource::COMMAND, START_MS).unwrap();
    let mut list = |after, limit| {
        let rows = ListUnrelayed { after, limit }.run(&mut *f.reader).unwrap();
        rows.iter().map(|row| row.service_id).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 100), [ids[0], ids[2]]);
    assert_eq!(list(0, 1), [ids[0]]);
    assert_eq!(list(ids[0].get(), 1), [ids[2]]);
    assert_eq!(list(ids[2].get(), 1), []);
}

fn each_tick_is_read_once_wherever_it_is(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let [one, other] = f.ids[..] else { unreachable!() };
    record(&mut f, one, 7, START_MS);
    record(&mut f, other, 2, START_MS);
    f.seal(3, START_MS + 100);
    record(&mut f, one, 4, START_MS + 200);
    for relayed_seq in 0..=11 {
        for limit in [1, 4, 100] {
            let unrelayed = |service_id, relayed_seq, newest_seq| Unrelayed {
                service_id,
                relayed_seq,
                newest_seq,
            };
            let mut services = vec![unrelayed(one, relayed_seq, 11), unrelayed(other, 0, 2)];
            let mut read = Vec::new();
            while !services.is_empty() {
                let ticks = ReadUnrelayed { services, limit }.run(&mut *f.reader).unwrap();
                read.extend(ticks.ticks.iter().map(|tick| (tick.service_id, tick.seq, tick.tick)));
                services = ticks.rest;
            }
            let stored = f.ticks(one).into_iter().rev().map(|(seq, tick)| (one, seq, tick));
            let stored = stored.filter(|(_, seq, _)| *seq > relayed_seq);
            let expected: Vec<_> = stored
                .chain(f.ticks(other).into_iter().rev().map(|(seq, tick)| (other, seq, tick)))
                .collect();
            assert_eq!(read, expected, "{relayed_seq}, {limit}");
        }
    }
    // What retention has deleted is left out.
    let services =
        vec![Unrelayed { service_id: ServiceId::new(99).unwrap(), relayed_seq: 0, newest_seq: 5 }];
    let read = ReadUnrelayed { services, limit: 10 }.run(&mut *f.reader).unwrap();
    assert_eq!((read.ticks, read.rest), (vec![], vec![]));
}
