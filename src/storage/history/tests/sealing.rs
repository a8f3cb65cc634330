//! Sealing, while ticks come and slices cross.

use diesel::sql_types::Text;

use super::*;
use crate::domain::{Name, Tally, Target};
use crate::storage::imported::{History, ImportedEvent};
use crate::storage::ledger::Fresh;

#[test]
fn every_tick_is_there_once_before_while_and_after_it_is_sealed() {
    let mut f = fixture(2);
    let ids = f.ids.clone();
    let ticks = quiet(30, START_MS, 1_000);
    let mut known = 0;
    let mut more = |f: &mut Fixture, count: usize| {
        let group = ids.iter().flat_map(|id| outcomes(*id, &ticks[known..known + count]));
        f.commit(&group.collect::<Vec<_>>(), START_MS + 60_000);
        known += count;
        known
    };
    let must_list = |f: &mut Fixture, count: usize| {
        for id in &ids {
            assert_eq!(f.ticks(*id), listed(&ticks[..count]));
        }
        f.must_be_whole();
    };
    let mut count = more(&mut f, 7);
    for _ in 0..4 {
        must_list(&mut f, count);
        assert!(f.begin_sealing());
        must_list(&mut f, count);
        let mut slice = f.prepare(4, SLICE).unwrap();
        count = more(&mut f, 3);
        must_list(&mut f, count);
        for left in [1, 0] {
            f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
            assert_eq!(slice.is_published(), left == 0);
            must_list(&mut f, count);
        }
        assert!(f.prepare(4, SLICE).is_none(), "every service is done with");
        assert_eq!(f.ledger.fresh().ticks, 6);
        f.finish_sealing(START_MS + 60_000).unwrap();
        assert_eq!(f.ledger.fresh().longest_run, 3);
        must_list(&mut f, count);
        count = more(&mut f, 2);
        must_list(&mut f, count);
        assert_eq!(f.ledger.fresh().ticks, 10);
        f.ledger = Ledger::default();
    }
    f.seal(4, START_MS + 60_000);
    must_list(&mut f, count);
    assert!(!f.begin_sealing(), "nothing is fresh");
    assert!(f.prepare(4, SLICE).is_none());
}

/// Every row of every table that sealing writes.
fn dump(connection: &mut SqliteConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    const ROWS: &str = "\
        SELECT 'chunk ' || id || ' ' || first_seq || ' ' || hex(data) AS line FROM service_tick_chunks \
        UNION ALL SELECT 'tick ' || id || ' ' || coalesce(step_back, '') FROM fresh_ticks \
        UNION ALL SELECT 'rollup ' || service_id || ' ' || step_s || ' ' || start_s || ' ' || up_count \
            || ' ' || up_ms || ' ' || hex(sketch) FROM service_rollups \
        UNION ALL SELECT 'history ' || sealed_tick_id || ' ' || sealed_at_ms || ' ' || chunk_count \
            || ' ' || sealed_tick_count || ' ' || sealed_byte_count || ' ' || rollup_count || ' ' || sealing_service_id \
            || ' ' || sealing_tick_count FROM history";
    let lines: Vec<Line> = diesel::sql_query(ROWS).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

#[test]
fn a_slice_that_another_has_overtaken_is_refused_and_changes_nothing() {
    let mut f = fixture(2);
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
    let must_be_refused = |f: &mut Fixture, late: &mut Slice| {
        let before = dump(&mut f.reader);
        let refused = f.publish(late, 1, START_MS + 12_000).unwrap_err();
        assert!(matches!(refused, StorageError::Conflict(_)), "{refused:?}");
        assert_eq!(dump(&mut f.reader), before);
    };
    must_be_refused(&mut f, &mut same);
    must_be_refused(&mut f, &mut short);
    assert!(f.finish_sealing(START_MS + 12_000).is_err(), "a service is left");
    f.publish(&mut first, 1, START_MS + 12_000).unwrap();
    must_be_refused(&mut f, &mut next);
    f.finish_sealing(START_MS + 12_000).unwrap();
    must_be_refused(&mut f, &mut next);
    assert!(f.finish_sealing(START_MS + 12_000).is_err(), "there is none");

    f.commit(&both(START_MS + 5_000), START_MS + 13_000);
    assert!(f.begin_sealing());
    must_be_refused(&mut f, &mut same);
    f.seal_rest(4, START_MS + 14_000);
    for id in ids {
        assert_eq!(f.ticks(id), listed(&quiet(10, START_MS, 1_000)));
    }
    f.must_be_whole();
}

#[test]
fn a_sealing_that_is_broken_off_goes_on_where_it_stopped() {
    let thresholds = [Thresholds::default(); 6];
    for portions in 0..=6 {
        let mut f = fixture_with(&thresholds);
        let ids = f.ids.clone();
        let ticks = quiet(9, START_MS, 1_000);
        let say = |f: &mut Fixture, from: usize, to: usize| {
            // The third service is gone, and the last one new.
            let said = ids.iter().enumerate().filter(|(nth, _)| match nth {
                2 => to <= 3,
                5 => from >= 3,
                _ => true,
            });
            let group = said.flat_map(|(_, id)| outcomes(*id, &ticks[from..to]));
            f.commit(&group.collect::<Vec<_>>(), START_MS + 60_000);
        };
        let must_list = |f: &mut Fixture, count: usize| {
            for (nth, id) in ids.iter().enumerate().filter(|(nth, _)| *nth != 2) {
                let first = if nth == 5 { 3 } else { 0 };
                assert_eq!(f.ticks(*id), listed(&ticks[first..count]), "{portions}");
            }
            f.must_be_whole();
        };
        say(&mut f, 0, 3);
        assert!(f.begin_sealing());
        let mut slice = f.prepare(4, SLICE).unwrap();
        for _ in 0..portions.min(5) {
            f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
        }
        if portions == 6 {
            f.finish_sealing(START_MS + 60_000).unwrap();
        }
        apply(&mut f.connection, Change::Delete(ids[2]), START_MS + 60_000).unwrap();

        f.ledger = Ledger::default();
        say(&mut f, 3, 6);
        must_list(&mut f, 6);
        let Fresh { ticks: fresh, longest_run, is_sealing } = f.ledger.fresh();
        let sealed = 3 * portions.min(5) as u64;
        assert_eq!((fresh, longest_run, is_sealing), (30 - sealed, 3, portions < 6));
        f.seal(4, START_MS + 60_000);
        must_list(&mut f, 6);
        say(&mut f, 6, 9);
        must_list(&mut f, 9);
        f.seal(4, START_MS + 60_000);
        must_list(&mut f, 9);
        assert_eq!(f.ledger.fresh(), Fresh::default());
    }
}

#[test]
fn a_slice_keeps_to_its_bounds_and_a_portion_ends_when_it_is_to() {
    // One service alone has more than the last of them.
    for ticks in [60, 26, 10] {
        must_keep_to(ticks);
    }
}

fn must_keep_to(most_ticks: usize) {
    let mut f = fixture(60);
    let ids = f.ids.clone();
    // The services behind the twentieth have one tick each, and every third has none.
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
    f.must_be_whole();
    for (id, count) in ids.iter().zip(&counts) {
        assert_eq!(f.ticks(*id), listed(&ticks[..*count]));
    }
}

#[test]
fn a_service_that_is_probed_seldom_gets_full_chunks_all_the_same() {
    let mut f = fixture(1);
    let id = f.ids[0];
    let ticks = quiet(100, START_MS, 600_000);
    for (nth, tick) in ticks.iter().enumerate() {
        f.commit(&[outcome(id, tick)], tick.at_ms + 1);
        f.seal(16, tick.at_ms + 2);
        assert_eq!(f.ticks(id), listed(&ticks[..=nth]));
        f.must_be_whole();
    }
    let usage = f.usage();
    assert_eq!((usage.sealed_ticks, usage.fresh_ticks), (100, 0));
    // One tick at a time makes chunks of four: a longer one is not sealed anew for so little.
    assert!(usage.chunks <= 25, "{} chunks", usage.chunks);

    for tens in quiet(100, ticks[99].at_ms + 600_000, 600_000).chunks(10) {
        f.commit(&outcomes(id, tens), tens[9].at_ms);
        f.seal(16, tens[9].at_ms + 1);
    }
    // The first two tens go to the last four, and then ten behind ten make twenty.
    assert_eq!(f.usage().chunks, usage.chunks + 4);
    assert_eq!(f.ticks(id), listed(&quiet(200, START_MS, 600_000)));
    f.must_be_whole();
}

#[test]
fn many_services_are_sealed_at_once() {
    let mut f = fixture(500);
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
    f.must_be_whole();
    for id in [ids[0], ids[250], ids[499]] {
        assert_eq!(f.ticks(id), listed(&ticks));
    }
}

#[test]
fn an_import_is_sealed_and_goes_on_where_it_ended() {
    let mut f = fixture(0);
    let (name, target) = (Name::parse("taken over").unwrap(), Target::parse("http://a/").unwrap());
    let bare = |nth: i64| {
        let state = if nth % 7 == 3 { State::Down } else { State::Up };
        let http_status = (state == State::Up).then_some(204);
        let (response_time_us, at_ms) = (1_000 + nth.cast_unsigned(), START_MS + nth * 60_000);
        StoredTick { at_ms, state, response_time_us, phases_us: None, http_status, reason: None }
    };
    let mut ticks: Vec<StoredTick> = (0..90).map(bare).collect();
    let service = f.connection.immediate_transaction(|connection| {
        let mut history = History::new(connection)?;
        let service = history.add_service(41, &name, &target, None, None, None)?;
        for tick in &ticks {
            history.add_tick(&service, tick)?;
        }
        let up = ticks.iter().filter(|tick| tick.state == State::Up).count() as u64;
        let tally = Tally { tick_count: 90, up_count: up, ..Tally::default() };
        let (state, started_ms) = (State::Up, START_MS);
        let event =
            ImportedEvent { state, started_ms, ended_ms: None, created_at: 0, updated_at: 0 };
        history.add_events(&service, &[event], &tally)?;
        history.finish(32, START_MS + 86_400_000)?;
        Ok::<_, StorageError>(service)
    });
    let service = service.unwrap();
    assert_eq!(service.id.get(), 41);
    let usage = f.usage();
    assert_eq!((usage.sealed_ticks, usage.fresh_ticks, usage.chunks), (90, 0, 2));
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.must_be_whole();

    let later = quiet(20, START_MS + 86_400_000, 1_000);
    f.commit(&outcomes(service.id, &later), START_MS + 86_500_000);
    ticks.extend(later);
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.seal(32, START_MS + 86_500_000);
    assert_eq!(f.ticks(service.id), listed(&ticks));
    f.must_be_whole();
}

#[test]
fn a_tick_that_no_metric_leads_to_is_told_when_it_goes() {
    let mut f = fixture(1);
    let id = f.ids[0];
    let ticks = quiet(3, START_MS, 1_000);
    f.commit(&outcomes(id, &ticks), START_MS + 60_000);
    let stray =
        "INSERT INTO service_ticks (id, service_id, is_up, created_at_ms) VALUES (9, 1, TRUE, 0)";
    f.connection.batch_execute(stray).unwrap();
    f.begin_sealing();
    let mut slice = f.prepare(4, SLICE).unwrap();
    f.publish(&mut slice, 1, START_MS + 60_000).unwrap();
    assert_eq!(seal::finish(&mut f.connection, START_MS + 60_000), Ok(1));
    assert_eq!(f.ticks(id), listed(&ticks));
    f.must_be_whole();
}

#[test]
fn an_import_ends_a_sealing_that_was_broken_off() {
    let mut f = fixture(2);
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
    let sealed = f
        .connection
        .immediate_transaction(|connection| History::new(connection)?.finish(4, START_MS + 60_000));
    sealed.unwrap();
    assert_eq!((f.usage().fresh_ticks, f.usage().sealed_ticks), (0, 18));
    for id in ids {
        assert_eq!(f.ticks(id), listed(&ticks));
    }
    f.must_be_whole();
}
