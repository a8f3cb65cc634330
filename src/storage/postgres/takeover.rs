//! Whether the instances that have not ended are alive. Pure; time is passed in.
//!
//! An instance is alive when its number of write transactions moves. No wall clock takes part: a
//! start measures by its own monotonic clock how long that number has stayed the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// An instance that has not ended, as one look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: i64,
    pub name: String,
    /// Number of its write transactions so far.
    pub commit_no: i64,
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store may be taken. Each of these instances is to be ended in the same transaction, if
    /// it has written nothing since this look, or has the name of the newcomer.
    Free(Vec<Found>),
    /// This instance has written something meanwhile.
    InUse(Found),
    /// This instance may be alive, or not.
    Undecided(Found),
}

/// The looks of a start.
#[derive(Debug)]
pub struct Takeover {
    name: String,
    ttl: Duration,
    /// By instance: its number of write transactions when it was first seen, and since when.
    seen: HashMap<i64, (i64, Instant)>,
}

impl Takeover {
    /// `name` is that of the newcomer: it takes the place of other instances of this name at once.
    /// An instance of another name has ended when it writes nothing for `ttl`.
    pub fn new(name: &str, ttl: Duration) -> Self {
        Self { name: name.to_owned(), ttl, seen: HashMap::new() }
    }

    pub fn look(&mut self, found: Vec<Found>, now: Instant) -> Verdict {
        self.seen.retain(|id, _| found.iter().any(|it| it.id == *id));
        let mut undecided = None;
        for other in found.iter().filter(|it| it.name != self.name) {
            let (commit_no, since) = *self.seen.entry(other.id).or_insert((other.commit_no, now));
            if commit_no != other.commit_no {
                return Verdict::InUse(other.clone());
            }
            if now.saturating_duration_since(since) < self.ttl {
                undecided.get_or_insert(other);
            }
        }
        match undecided {
            Some(other) => Verdict::Undecided(other.clone()),
            None => Verdict::Free(found),
        }
    }

    /// A look failed. Instances that could not write meanwhile are not dead, so every observation
    /// begins anew.
    pub fn interrupted(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn found(id: i64, name: &str, commit_no: i64) -> Found {
        Found { id, name: name.to_owned(), commit_no }
    }

    #[test]
    fn a_store_without_instances_is_free() {
        let mut takeover = Takeover::new("a", TTL);
        assert_eq!(takeover.look(Vec::new(), Instant::now()), Verdict::Free(Vec::new()));
    }

    #[test]
    fn an_instance_of_the_same_name_is_ended_at_once() {
        let mut takeover = Takeover::new("a", TTL);
        let same = vec![found(1, "a", 7)];
        assert_eq!(takeover.look(same.clone(), Instant::now()), Verdict::Free(same));
    }

    #[test]
    fn an_instance_of_another_name_is_alive_once_it_writes() {
        let (mut takeover, start) = (Takeover::new("a", TTL), Instant::now());
        let seen = found(1, "b", 7);
        assert_eq!(takeover.look(vec![seen.clone()], start), Verdict::Undecided(seen));
        let moved = found(1, "b", 8);
        let verdict = takeover.look(vec![moved.clone()], start + TTL / 2);
        assert_eq!(verdict, Verdict::InUse(moved));
    }

    #[test]
    fn an_instance_of_another_name_that_writes_nothing_is_ended_after_the_ttl() {
        let (mut takeover, start) = (Takeover::new("a", TTL), Instant::now());
        let others = vec![found(1, "b", 7), found(2, "a", 3)];
        let almost = start + TTL - Duration::from_millis(1);
        for now in [start, almost] {
            let verdict = takeover.look(others.clone(), now);
            assert_eq!(verdict, Verdict::Undecided(found(1, "b", 7)));
        }
        assert_eq!(takeover.look(others.clone(), start + TTL), Verdict::Free(others));
    }

    #[test]
    fn after_a_look_that_failed_the_observation_begins_anew() {
        let (mut takeover, start) = (Takeover::new("a", TTL), Instant::now());
        let other = found(1, "b", 7);
        takeover.look(vec![other.clone()], start);
        takeover.interrupted();
        let verdict = takeover.look(vec![other.clone()], start + TTL);
        assert_eq!(verdict, Verdict::Undecided(other.clone()));
        // It wrote before the failure was over: that is the new beginning.
        takeover.interrupted();
        let moved = found(1, "b", 8);
        assert_eq!(
            takeover.look(vec![moved.clone()], start + TTL),
            Verdict::Undecided(moved.clone())
        );
        assert_eq!(takeover.look(vec![moved.clone()], start + 2 * TTL), Verdict::Free(vec![moved]));
    }

    #[test]
    fn an_instance_that_ends_and_another_that_begins_are_not_mistaken_for_one() {
        let (mut takeover, start) = (Takeover::new("a", TTL), Instant::now());
        takeover.look(vec![found(1, "b", 7)], start);
        takeover.look(Vec::new(), start + TTL / 2);
        let again = vec![found(2, "b", 7)];
        assert!(matches!(takeover.look(again, start + TTL), Verdict::Undecided(_)));
    }

    proptest! {
        /// No instance of another name is ended unless its number stayed the same for the TTL over
        /// uninterrupted looks.
        #[test]
        fn no_instance_that_wrote_within_the_ttl_is_ended(
            looks in prop::collection::vec((0_u64..4_000, any::<bool>(), 0_u8..10), 1..40)
        ) {
            let (mut takeover, start) = (Takeover::new("a", TTL), Instant::now());
            let (mut now, mut commit_no, mut same_since) = (start, 0, None);
            for (pause_ms, wrote, failed) in looks {
                now += Duration::from_millis(pause_ms);
                if wrote {
                    commit_no += 1;
                }
                if failed == 0 {
                    takeover.interrupted();
                    same_since = None;
                    continue;
                }
                match takeover.look(vec![found(1, "b", commit_no)], now) {
                    Verdict::InUse(_) => {
                        prop_assert!(same_since.is_some_and(|(seen, _)| seen != commit_no));
                        break;
                    }
                    Verdict::Undecided(_) => {
                        let (seen, _) = *same_since.get_or_insert((commit_no, now));
                        prop_assert_eq!(seen, commit_no);
                    }
                    Verdict::Free(_) => {
                        let (seen, since) = same_since.unwrap_or((commit_no, now));
                        prop_assert!(seen == commit_no && now - since >= TTL);
                        break;
                    }
                }
            }
        }
    }
}
