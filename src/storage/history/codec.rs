//! Encodes a run of ticks, column by column: most columns of a service change little from tick to
//! tick.
//!
//! Layout: a version byte; the number of ticks; the words of the reasons that occur; then each
//! column of [`COLUMNS`]. A constant column is a zero byte and its value; any other column is its
//! length and its numbers as pco encodes them. Other numbers are LEB128. The encoding contains the
//! words of the reasons, so that reasons may be added and reordered.

use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use crate::domain::history::tick::{PHASES, StoredTick};
use crate::domain::leb128::{read, unzigzag, write, zigzag};
use crate::domain::{Reason, State, Window};
use crate::storage::error::StorageError;

/// Of the layout above.
const VERSION: u8 = 1;

/// Maximum ticks of a run, so that a damaged length cannot request all memory.
pub const TICKS_LIMIT: usize = 1 << 20;

/// Time, state, status, failure, has phases, response time beyond its phases, and the phases.
const COLUMNS: usize = 6 + PHASES;

/// Encodes `ticks`, at most [`TICKS_LIMIT`].
pub fn encode(ticks: &[StoredTick]) -> Result<Vec<u8>, StorageError> {
    let mut words: Vec<Reason> = Vec::new();
    let mut columns: [Vec<i64>; COLUMNS] = std::array::from_fn(|_| Vec::with_capacity(ticks.len()));
    for tick in ticks {
        let reason = tick.reason.map_or(0, |reason| {
            let known = words.iter().position(|word| *word == reason);
            1 + known.unwrap_or_else(|| {
                words.push(reason);
                words.len() - 1
            })
        });
        let phases = tick.phases_us.unwrap_or_default();
        let phased: u64 = phases.iter().sum();
        let head = [
            tick.at_ms,
            state_number(tick.state),
            tick.http_status.map_or(0, i64::from),
            reason as i64,
            i64::from(tick.phases_us.is_some()),
            tick.response_time_us.wrapping_sub(phased).cast_signed(),
        ];
        let all = head.into_iter().chain(phases.iter().map(|us| us.cast_signed()));
        for (column, value) in columns.iter_mut().zip(all) {
            column.push(value);
        }
    }

    let mut bytes = vec![VERSION];
    write(&mut bytes, ticks.len() as u64);
    write(&mut bytes, words.len() as u64);
    for word in words {
        write(&mut bytes, word.as_str().len() as u64);
        bytes.extend_from_slice(word.as_str().as_bytes());
    }
    for (nth, column) in columns.iter().enumerate() {
        // Only the time grows from tick to tick.
        let delta = if nth == 0 { DeltaSpec::TryConsecutive(1) } else { DeltaSpec::NoOp };
        write_column(&mut bytes, column, delta)?;
    }
    Ok(bytes)
}

fn write_column(bytes: &mut Vec<u8>, column: &[i64], delta: DeltaSpec) -> Result<(), StorageError> {
    let first = column.first().copied().unwrap_or_default();
    if column.iter().all(|value| *value == first) {
        bytes.push(0);
        write(bytes, zigzag(first));
        return Ok(());
    }
    let config = ChunkConfig::default().with_mode_spec(ModeSpec::Classic).with_delta_spec(delta);
    let packed = simple_compress(column, &config)
        .map_err(|error| StorageError::Conflict(format!("ticks cannot be encoded: {error}")))?;
    write(bytes, packed.len() as u64);
    bytes.extend_from_slice(&packed);
    Ok(())
}

/// What is read of each tick besides its time and its state. What is not read is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickParts {
    pub has_status: bool,
    pub has_reason: bool,
    /// Response time and phases.
    pub has_durations: bool,
}

impl TickParts {
    pub const ALL: Self = Self { has_status: true, has_reason: true, has_durations: true };

    fn has(self, column: usize) -> bool {
        match column {
            0 | 1 => true,
            2 => self.has_status,
            3 => self.has_reason,
            _ => self.has_durations,
        }
    }
}

/// Decodes what [`encode`] returned.
pub fn decode(bytes: &[u8]) -> Result<Vec<StoredTick>, StorageError> {
    Ok(decode_part(bytes, TickParts::ALL, Window::ALL)?.1)
}

/// The number of ticks in what [`encode`] returned, and those in `window`.
pub fn decode_part(
    bytes: &[u8],
    parts: TickParts,
    window: Window,
) -> Result<(usize, Vec<StoredTick>), StorageError> {
    parse(bytes, parts, window).ok_or_else(|| {
        StorageError::Unreadable("a chunk of ticks is not in the format of this version".to_owned())
    })
}

fn parse(bytes: &[u8], parts: TickParts, window: Window) -> Option<(usize, Vec<StoredTick>)> {
    let (&version, mut rest) = bytes.split_first()?;
    let count = usize::try_from(read(&mut rest)?).ok()?;
    if version != VERSION || count > TICKS_LIMIT {
        return None;
    }
    let mut words = Vec::new();
    for _ in 0..read(&mut rest)? {
        let length = usize::try_from(read(&mut rest)?).ok()?;
        let (word, after) = rest.split_at_checked(length)?;
        words.push(Reason::from_word(std::str::from_utf8(word).ok()?)?);
        rest = after;
    }
    let mut columns: [Vec<i64>; COLUMNS] = std::array::from_fn(|_| Vec::new());
    for (nth, column) in columns.iter_mut().enumerate() {
        if parts.has(nth) {
            *column = read_column(&mut rest, count)?;
        } else {
            skip_column(&mut rest)?;
        }
    }
    let inside = (0..count).filter(|nth| window.contains(columns[0][*nth]));
    let ticks: Option<Vec<StoredTick>> = inside.map(|nth| tick(&columns, nth, &words)).collect();
    Some((count, ticks?))
}

fn skip_column(rest: &mut &[u8]) -> Option<()> {
    let length = usize::try_from(read(rest)?).ok()?;
    if length == 0 {
        read(rest)?;
    } else {
        *rest = rest.split_at_checked(length)?.1;
    }
    Some(())
}

fn read_column(rest: &mut &[u8], count: usize) -> Option<Vec<i64>> {
    let length = usize::try_from(read(rest)?).ok()?;
    if length == 0 {
        return Some(vec![unzigzag(read(rest)?); count]);
    }
    let (packed, after) = rest.split_at_checked(length)?;
    *rest = after;
    // Into a buffer of fixed size: damaged bytes may claim any number.
    let mut column = vec![0; count];
    let done = simple_decompress_into(packed, &mut column).ok()?;
    (done.finished && done.n_processed == count).then_some(column)
}

fn tick(columns: &[Vec<i64>; COLUMNS], nth: usize, words: &[Reason]) -> Option<StoredTick> {
    // A column that was skipped is empty.
    let at = |column: usize| columns[column].get(nth).copied().unwrap_or_default();
    let phases: [u64; PHASES] = std::array::from_fn(|phase| at(6 + phase).cast_unsigned());
    let phased = phases.iter().try_fold(0u64, |sum, us| sum.checked_add(*us))?;
    let reason = match usize::try_from(at(3)).ok()? {
        0 => None,
        word => Some(*words.get(word - 1)?),
    };
    Some(StoredTick {
        at_ms: at(0),
        state: state_of(at(1))?,
        response_time_us: phased.wrapping_add(at(5).cast_unsigned()),
        phases_us: (at(4) == 1).then_some(phases),
        http_status: match at(2) {
            0 => None,
            status => Some(u16::try_from(status).ok()?),
        },
        reason,
    })
}

fn state_number(state: State) -> i64 {
    match state {
        State::Up => 0,
        State::Down => 1,
        State::Unknown => 2,
        State::Paused => 3,
    }
}

fn state_of(number: i64) -> Option<State> {
    State::ALL.into_iter().find(|state| state_number(*state) == number)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any tick that can be stored, at any time.
    pub fn any_tick() -> impl Strategy<Value = StoredTick> {
        let states = prop::sample::select(vec![State::Up, State::Down, State::Unknown]);
        let reasons: Vec<Reason> = Reason::all().collect();
        let phases = prop::array::uniform5(0u64..20_000_000);
        (
            0i64..4_000_000_000_000,
            states,
            0u64..60_000_000,
            prop::option::of(phases),
            prop::option::of(100u16..600),
            prop::option::of(prop::sample::select(reasons)),
        )
            .prop_map(
                |(at_ms, state, response_time_us, phases_us, http_status, reason)| StoredTick {
                    at_ms,
                    state,
                    response_time_us,
                    phases_us,
                    http_status,
                    reason,
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_tick_comes_back(ticks in prop::collection::vec(any_tick(), 0..200)) {
            let bytes = encode(&ticks).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), ticks);
        }

        #[test]
        fn a_part_is_the_same_ticks_without_the_rest(
            ticks in prop::collection::vec(any_tick(), 0..100),
            (has_status, has_reason, has_durations) in any::<(bool, bool, bool)>(),
            window in (0i64..4_000_000_000_000, 0i64..4_000_000_000_000),
        ) {
            let parts = TickParts { has_status, has_reason, has_durations };
            let window = Window { from_ms: window.0.min(window.1), to_ms: window.0.max(window.1) };
            let bytes = encode(&ticks).unwrap();
            let (count, found) = decode_part(&bytes, parts, window).unwrap();
            prop_assert_eq!(count, ticks.len());
            let inside = ticks.into_iter().filter(|tick| window.contains(tick.at_ms));
            let expected: Vec<StoredTick> = inside
                .map(|tick| StoredTick {
                    http_status: tick.http_status.filter(|_| has_status),
                    reason: tick.reason.filter(|_| has_reason),
                    phases_us: tick.phases_us.filter(|_| has_durations),
                    response_time_us: if has_durations { tick.response_time_us } else { 0 },
                    ..tick
                })
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn damaged_bytes_are_an_error_and_no_panic(
            ticks in prop::collection::vec(any_tick(), 1..40),
            at in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let mut bytes = encode(&ticks).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..at]);
        }
    }

    #[test]
    fn a_quiet_service_takes_few_bytes_a_tick() {
        let tick = |nth: u64| {
            // Neither the time nor the response time is regular.
            let noise = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
            StoredTick {
                at_ms: 1_795_000_000_000 + (nth * 60_000 + noise % 5).cast_signed(),
                state: State::Up,
                response_time_us: 40_000 + 8 * noise,
                phases_us: None,
                http_status: Some(200),
                reason: None,
            }
        };
        let ticks: Vec<StoredTick> = (0..512).map(tick).collect();
        let bytes = encode(&ticks).unwrap().len();
        assert!(bytes < 512 * 3, "{bytes} bytes for 512 ticks without phases");
    }
}
