//! Scans of ticks.

use proptest::prelude::*;

use super::fixture::{Fixture, Kind, for_each_store};
use crate::domain::access::GroupLimit;
use crate::domain::{Window, sample};
use crate::storage::history::scan::Scan;

for_each_store!(a_scan_returns_each_tick_once_whatever_is_sealed_meanwhile);

/// Ticks are recorded and sealed during the scan, so short chunks are sealed again.
fn a_scan_returns_each_tick_once_whatever_is_sealed_meanwhile(kind: Kind) {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(24) };
    proptest!(config, |(
        before in prop::collection::vec(0..12usize, 1..6),
        meanwhile in prop::collection::vec((0..12usize, any::<bool>()), 0..12),
        chunk_ticks in 2..6usize,
        from in 0..20i64,
        to in 20..60i64,
    )| {
        let mut f = Fixture::new(kind.open(), 1);
        let (id, mut count) = (f.ids[0], 0);
        let mut record = |f: &mut Fixture, ticks: usize, seals: bool| {
            for _ in 0..ticks {
                f.commit(&[sample::outcome(id.get(), count)], 0);
                count += 1;
            }
            if seals && f.begin_sealing() {
                f.seal_rest(chunk_ticks, 0);
            }
            count
        };
        let mut reached = 0;
        for ticks in before {
            reached = record(&mut f, ticks, true);
        }
        let service = f.reader.named_services(None, &GroupLimit::NONE).unwrap().items.remove(0);
        prop_assert_eq!(service.newest_seq, reached.cast_unsigned());

        let window = Window { from_ms: from, to_ms: to };
        let mut scan = Scan::new(&service, window);
        let (mut scanned, mut meanwhile) = (Vec::new(), meanwhile.into_iter());
        while let Some(ticks) = scan.step(&mut *f.reader).unwrap() {
            scanned.extend(ticks.iter().map(|tick| tick.at_ms));
            if let Some((ticks, seals)) = meanwhile.next() {
                record(&mut f, ticks, seals);
            }
        }
        prop_assert_eq!(scanned, (from..to.min(reached)).collect::<Vec<_>>());
    });
}
