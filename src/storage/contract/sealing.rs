//! Sealing, while ticks are added and slices overlap.

use super::fixture::{Fixture, Kind, START_MS, for_each_store, listed, outcome, outcomes, quiet};
use crate::domain::audit::AuditSource;
use crate::domain::{Name, Outcome, State, StoredTick, Tally, Target, Thresholds};
use crate::storage::error::StorageError;
use crate::storage::history::rows::Slice;
use crate::storage::history::slice::{Bounds, SLICE};
use crate::storage::import::{ImportedEvent, NewService};
use crate::storage::ledger::{Fresh, Ledger};
use crate::storage::records::Change;

for_each_store!(
    every_tick_is_there_once_before_while_and_after_it_is_sealed,
    an_outdated_slice_is_refused_and_changes_nothing,
    an_interrupted_sealing_continues_where_it_stopped,
    slices_and_portions_are_bounded,
    a_service_that_is_probed_seldom_has_full_chunks_too,
    many_services_are_sealed_at_once,
    an_import_is_sealed_and_later_ticks_follow_it,
    an_import_finishes_an_interrupted_sealing,
);

fn every_tick_is_there_once_before_while_and_after_it_is_sealed(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let ids = f.ids.clone();
    let ticks = quiet(30, START_MS, 1_000);
    let mut known = 0;
    let mut more = |f: &mut Fixture, count: usize| {
        let group = ids.iter().flat_map(|id| outcomes(*id, &ticks[known..known + count]));
        f.commit(&group.collect::<Vec<_>>(), START_MS + 60_000);
        known += count;
        known
    };
    let assert_ticks = |f: &mut Fixture, count: usize| {
        for id in &ids {
            assert_eq!(f.ticks(*id), listed(&ticks[..count]));
        }
        f.assert_consistent();
    };
    let mut count = more(&mut f, 7);
    for _ in 0..4 {
        assert_ticks(&mut f, count);
        assert!(f.begin_sealing());
        assert_ticks(&mut f, count);
        let mut slice = f.prepare(4, SLICE).unwrap();
        count = more(&mut f, 3);
        assert_ticks(&mut f, count);
        for left in [1, 0] {
            f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
            assert_eq!(slice.is_published(), left == 0);
            assert_ticks(&mut f, count);
        }
        assert!(f.prepare(4, SLICE).is_none(), "every service is sealed");
        assert_eq!(f.ledger.fresh().ticks, 6);
        f.finish_sealing(START_MS + 60_000).unwrap();
        assert_eq!(f.ledger.fresh().longest_run, 3);
        assert_ticks(&mut f, count);
        count = more(&mut f, 2);
        assert_ticks(&mut f, count);
        assert_eq!(f.ledger.fresh().ticks, 10);
        f.ledger = Ledger::default();
    }
    f.seal(4, START_MS + 60_000);
    assert_ticks(&mut f, count);
    assert!(!f.begin_sealing(), "nothing is fresh");
    assert!(f.prepare(4, SLICE).is_none());
}

fn an_outdated_slice_is_refused_and_changes_nothing(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let ids = f.ids.clone();
    let both = |from_ms: i64| -> Vec<Outcome> {
        ids.iter().flat_map(|id| outcomes(*id, &quiet(5, from_ms, 1_000))).collect()
    };
    f.commit(&both(START_MS), START_MS + 5_000);
    assert!(f.begin_sealing());
    let mut first = f.prepare(4, SLICE).unwrap();
    let mut same = f.prepare(4, SLICE).unwrap();
    let mut short = f.prepare(4, Bounds { services: 1, ticks: 9 }).unwrap();
    f.publish(&mut first, 1, START_MS + 11_000).unwrap();
    let mut next = f.prepare(4, SLICE).unwrap();
    let assert_refused = |f: &mut Fixture, late: &mut Slice| {
        let before = f.inspect.dump();
        let refused = f.publish(late, 1, START_MS + 12_000).unwrap_err();
        assert!(matches!(refused, StorageError::Conflict(_)), "{refused:?}");
        assert_eq!(f.inspect.dump(), before);
    };
    assert_refused(&mut f, &mut same);
    assert_refused(&mut f, &mut short);
    assert!(f.finish_sealing(START_MS + 12_000).is_err(), "a service is not sealed");
    f.publish(&mut first, 1, START_MS + 12_000).unwrap();
    assert_refused(&mut f, &mut next);
    f.finish_sealing(START_MS + 12_000).unwrap();
    assert_refused(&mut f, &mut next);
    assert!(f.finish_sealing(START_MS + 12_000).is_err(), "no sealing is in progress");

    f.commit(&both(START_MS + 5_000), START_MS + 13_000);
    assert!(f.begin_sealing());
    assert_refused(&mut f, &mut same);
    f.seal_rest(4, START_MS + 14_000);
    for id in ids {
        assert_eq!(f.ticks(id), listed(&quiet(10, START_MS, 1_000)));
    }
    f.assert_consistent();
}

fn an_interrupted_sealing_continues_where_it_stopped(kind: Kind) {
    let thresholds = [Thresholds::default(); 6];
    for portions in 0..=6 {
        let mut f = Fixture::with_thresholds(kind.open(), &thresholds);
        let ids = f.ids.clone();
        let ticks = quiet(9, START_MS, 1_000);
        let record = |f: &mut Fixture, from: usize, to: usize| {
            // The third service is deleted, and the last one is new.
            let of_services = ids.iter().enumerate().filter(|(nth, _)| match nth {
                2 => to <= 3,
                5 => from >= 3,
                _ => true,
            });
            let group = of_services.flat_map(|(_, id)| outcomes(*id, &ticks[from..to]));
            f.commit(&group.collect::<Vec<_>>(), START_MS + 60_000);
        };
        let assert_ticks = |f: &mut Fixture, count: usize| {
            for (nth, id) in ids.iter().enumerate().filter(|(nth, _)| *nth != 2) {
                let first = if nth == 5 { 3 } else { 0 };
                assert_eq!(f.ticks(*id), listed(&ticks[first..count]), "{portions}");
            }
            f.assert_consistent();
        };
        record(&mut f, 0, 3);
        assert!(f.begin_sealing());
        let mut slice = f.prepare(4, SLICE).unwrap();
        for _ in 0..portions.min(5) {
            f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
        }
        if portions == 6 {
            f.finish_sealing(START_MS + 60_000).unwrap();
        }
        f.writer.define(Change::Delete(ids[2]), &AuditSource::COMMAND, START_MS + 60_000).unwrap();

        f.ledger = Ledger::default();
        record(&mut f, 3, 6);
        assert_ticks(&mut f, 6);
        let Fresh { ticks: fresh, longest_run, is_sealing } = f.ledger.fresh();
        let sealed = 3 * portions.min(5) as u64;
        assert_eq!((fresh, longest_run, is_sealing), (30 - sealed, 3, portions < 6));
        f.seal(4, START_MS + 60_000);
        assert_ticks(&mut f, 6);
        record(&mut f, 6, 9);
        assert_ticks(&mut f, 9);
        f.seal(4, START_MS + 60_000);
        assert_ticks(&mut f, 9);
        assert_eq!(f.ledger.fresh(), Fresh::default());
    }
}

fn slices_and_portions_are_bounded(kind: Kind) {
    // One service alone has more ticks than the last bound.
    for ticks in [60, 26, 10] {
        check_bounds(kind, ticks);
    }
}

fn check_bounds(kind: Kind, most_ticks: usize) {
    let mut f = Fixture::new(kind.open(), 60);
    let ids = f.ids.clone();
    // After the twentieth, services have one tick each; every third has none.
    let counts: Vec<usize> = (0..60)
        .map(|nth| match nth {
            _ if nth % 3 == 2 => 0,
            0..20 => 25,
            _ => 1,
        })
        .collect();
    let ticks = quiet(25, START_MS, 1_000);
    for (id, count) in ids.iter().zip(&counts) {
        f.commit(&outcomes(*id, &ticks[..*count]), START_MS + 60_000);
    }
    let bounds = Bounds { services: 10, ticks: most_ticks };
    assert!(f.begin_sealing());
    let mut slices = 0;
    while let Some(mut slice) = f.prepare(8, bounds) {
        let held: u64 = slice.services.iter().map(|packed| packed.ticks).sum();
        let most = if slice.services.len() == 1 { 25 } else { bounds.ticks };
        assert!(slice.services.len() <= bounds.services && held <= most as u64, "{slice:?}");
        slices += 1;
        while !slice.is_published() {
            let portion = f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
            assert!(portion.services <= 1);
        }
    }
    assert!((7..40).contains(&slices), "{slices}");
    f.finish_sealing(START_MS + 60_000).unwrap();
    f.assert_consistent();
    for (id, count) in ids.iter().zip(&counts) {
        assert_eq!(f.ticks(*id), listed(&ticks[..*count]));
    }
}

fn a_service_that_is_probed_seldom_has_full_chunks_too(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    let ticks = quiet(100, START_MS, 600_000);
    for (nth, tick) in ticks.iter().enumerate() {
        f.commit(&[outcome(id, tick)], tick.at_ms + 1);
        f.seal(16, tick.at_ms + 2);
        assert_eq!(f.ticks(id), listed(&ticks[..=nth]));
        f.assert_consistent();
    }
    let usage = f.usage();
    assert_eq!((usage.sealed_ticks, usage.fresh_ticks), (100, 0));
    // One tick at a time makes chunks of four: a longer chunk is not sealed again for one tick.
    assert!(usage.chunks <= 25, "{} chunks", usage.chunks);

    for tens in quiet(100, ticks[99].at_ms + 600_000, 600_000).chunks(10) {
        f.commit(&outcomes(id, tens), tens[9].at_ms);
        f.seal(16, tens[9].at_ms + 1);
    }
    // The first two groups of ten join the last four ticks; then two groups make twenty.
    assert_eq!(f.usage().chunks, usage.chunks + 4);
    assert_eq!(f.ticks(id), listed(&quiet(200, START_MS, 600_000)));
    f.assert_consistent();
}

fn many_services_are_sealed_at_once(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 500);
    let ids = f.ids.clone();
    let ticks = quiet(40, START_MS, 30_000);
    let now_ms = START_MS + 40 * 30_000;
    let group: Vec<Outcome> =
        ticks.iter().flat_map(|tick| ids.iter().map(|id| outcome(*id, tick))).collect();
    assert_eq!(f.commit(&group, now_ms).recorded, 20_000);
    assert_eq!(f.ledger.fresh().longest_run, 40);
    f.seal(16, now_ms);
    let usage = f.usage();
    assert_eq!((usage.sealed_ticks, usage.fresh_ticks, usage.chunks), (20_000, 0, 1_000));
    f.assert_consistent();
    for id in [ids[0], ids[250], ids[499]] {
        assert_eq!(f.ticks(id), listed(&ticks));
    }
}

fn an_import_is_sealed_and_later_ticks_follow_it(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let (name, target) = (Name::parse("imported").unwrap(), Target::parse("http://a/").unwrap());
    let bare = |nth: i64| {
        let state = if nth % 7 == 3 { State::Down } else { State::Up };
        let http_status = (state == State::Up).then_some(204);
        let (response_time_us, at_ms) = (1_000 + nth.cast_unsigned(), START_MS + nth * 60_000);
        StoredTick { at_ms, state, response_time_us, phases_us: None, http_status, reason: None }
    };
    let mut ticks: Vec<StoredTick> = (0..90).map(bare).collect();
    let new = NewService {
        id: 41,
        name: &name,
        target: &target,
        created_at: None,
        updated_at: None,
        deleted_at: None,
    };
    let mut service = None;
    let imported = f.writer.import(&mut |import| {
        let added = import.add_service(&new)?;
        for tick in &ticks {
            import.add_tick(&added, tick)?;
        }
        let up = ticks.iter().filter(|tick| tick.state == State::Up).count() as u64;
        let tally = Tally { tick_count: 90, up_count: up, ..Tally::default() };
        let (state, started_ms) = (State::Up, START_MS);
        let event =
            ImportedEvent { state, started_ms, ended_ms: None, created_at: 0, updated_at: 0 };
        import.add_events(&added, &[event], &tally)?;
        import.seal_all(32, START_MS + 86_400_000)?;
        service = Some(added);
        Ok(())
    });
    imported.unwrap();
    let service = service.unwrap();
    assert_eq!(service.id.get(), 41);
    let usage = f.usage();
    assert_eq!((usage.sealed_ticks, usage.fresh_ticks, usage.chunks), (90, 0, 2));
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.assert_consistent();

    let later = quiet(20, START_MS + 86_400_000, 1_000);
    f.commit(&outcomes(service.id, &later), START_MS + 86_500_000);
    ticks.extend(later);
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.seal(32, START_MS + 86_500_000);
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.assert_consistent();
}

fn an_import_finishes_an_interrupted_sealing(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let ids = f.ids.clone();
    let ticks = quiet(9, START_MS, 1_000);
    let both: Vec<Outcome> = ids.iter().flat_map(|id| outcomes(*id, &ticks[..6])).collect();
    f.commit(&both, START_MS + 60_000);
    assert!(f.begin_sealing());
    let mut slice = f.prepare(4, SLICE).unwrap();
    f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
    for id in &ids {
        f.commit(&outcomes(*id, &ticks[6..]), START_MS + 60_000);
    }
    f.writer.import(&mut |import| import.seal_all(4, START_MS + 60_000)).unwrap();
    assert_eq!((f.usage().fresh_ticks, f.usage().sealed_ticks), (0, 18));
    for id in ids {
        assert_eq!(f.ticks(id), listed(&ticks));
    }
    f.assert_consistent();
}
