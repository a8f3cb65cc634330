//! What a look at all instances leads to. Pure; time is passed in.
//!
//! An instance is alive while the number of its write transactions moves. No wall clock takes part:
//! each observer measures by its own monotonic clock for how long that number has stayed the same,
//! over looks of which none failed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::Role;
use crate::domain::shards::SHARDS;
use crate::storage::coordination::{Roster, Seen};

/// Most shards that are given back at once: five percent.
const PORTION: usize = SHARDS.div_ceil(20);

/// Interval between two portions that are given back.
pub const GIVE_BACK_EVERY: Duration = Duration::from_secs(10);

/// An instance is ended only by one that has itself written since this long before the end of the
/// TTL.
const OWN_WRITE: Duration = Duration::from_secs(1);

/// Longest time between two looks that find new writes of this instance, while the store takes
/// them: it writes every 2.5 s at the latest.
const OWN_SILENCE: Duration = Duration::from_secs(4);

/// What this instance is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// This instance has written nothing for the TTL.
    End(Seen),
    /// Take at most so many shards that have no owner.
    Claim(usize),
    /// Give so many shards back.
    GiveBack(usize),
    /// Another one has ended this instance.
    Leave,
}

/// The looks of one instance.
#[derive(Debug)]
pub struct Membership {
    role: Role,
    ttl: Duration,
    /// By instance: its number of write transactions when it was first seen, and since when.
    seen: HashMap<i64, (i64, Instant)>,
    /// Number of its own write transactions, and when that was first seen.
    own: Option<(i64, Instant)>,
    gave_back_at: Option<Instant>,
}

impl Membership {
    /// An instance that writes nothing for `ttl` is ended.
    pub fn new(role: Role, ttl: Duration) -> Self {
        Self { role, ttl, seen: HashMap::new(), own: None, gave_back_at: None }
    }

    /// The moves after a look that found `seen`, or failed. `owned` is the number of shards that
    /// this instance has taken over.
    pub fn look(&mut self, seen: Result<&Roster, ()>, owned: usize, now: Instant) -> Vec<Move> {
        let Ok(roster) = seen else {
            // Instances that could not write meanwhile are not dead: every observation begins anew.
            self.seen.clear();
            return Vec::new();
        };
        let Some(own) = roster.own() else {
            self.seen.clear();
            self.own = None;
            self.gave_back_at = None;
            return vec![Move::Leave];
        };
        if self.own.is_none_or(|(commit_no, _)| commit_no != own.commit_no) {
            // The store takes writes again: the others have their time for one, too.
            if self.own.is_some_and(|(_, at)| now.saturating_duration_since(at) > OWN_SILENCE) {
                self.seen.clear();
            }
            self.own = Some((own.commit_no, now));
        }
        let mut moves: Vec<Move> = self.silent(roster, now).into_iter().map(Move::End).collect();
        if !self.role.owns() {
            return moves;
        }
        let runners = roster.instances.iter().filter(|instance| instance.role.owns()).count();
        let share = share(runners);
        let wanted = roster.unadopted + share.saturating_sub(owned + roster.unadopted);
        let claimed = wanted.min(roster.unadopted + roster.orphans);
        if claimed > 0 {
            moves.push(Move::Claim(claimed));
        } else if owned > share && self.gave_back_at.is_none_or(|at| now >= at + GIVE_BACK_EVERY) {
            self.gave_back_at = Some(now);
            moves.push(Move::GiveBack((owned - share).min(PORTION)));
        }
        moves
    }

    /// Whether this instance has written late in that silence: otherwise the store takes no writes
    /// of anybody, and the silence says nothing.
    fn has_written_since(&self, since: Instant) -> bool {
        let late = since + self.ttl.saturating_sub(OWN_WRITE);
        self.own.is_some_and(|(_, at)| at >= late)
    }

    /// When the next instance may have been silent for the TTL.
    pub fn next_end(&self) -> Option<Instant> {
        self.seen.values().map(|(_, since)| *since + self.ttl).min()
    }

    /// The others whose number has stayed the same for the TTL.
    fn silent(&mut self, roster: &Roster, now: Instant) -> Vec<Seen> {
        let others = || roster.instances.iter().filter(|other| other.id != roster.own_id);
        self.seen.retain(|id, _| others().any(|other| other.id == *id));
        let mut silent = Vec::new();
        for other in others() {
            let known = self.seen.entry(other.id).or_insert((other.commit_no, now));
            if known.0 != other.commit_no {
                *known = (other.commit_no, now);
            } else if now.saturating_duration_since(known.1) >= self.ttl {
                silent.push((known.1, other.clone()));
            }
        }
        silent.retain(|(since, _)| self.has_written_since(*since));
        silent.into_iter().map(|(_, other)| other).collect()
    }
}

/// Number of shards for each of so many instances that probe.
fn share(runners: usize) -> usize {
    SHARDS.div_ceil(runners.max(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn seen(id: i64, role: Role, commit_no: i64) -> Seen {
        let (name, version) = (format!("i{id}"), String::new());
        Seen { id, name, role, version, commit_no, committed_at_ms: None, shards: 0 }
    }

    /// This instance, which has the id 1, writes before each look.
    fn roster(instances: &[(i64, i64)], orphans: usize) -> Roster {
        static OWN: AtomicI64 = AtomicI64::new(1);
        let own = OWN.fetch_add(1, Ordering::Relaxed);
        let commit_no = |id: i64, no: i64| if id == 1 { own } else { no };
        let instances = instances.iter();
        let instances =
            instances.map(|(id, no)| seen(*id, Role::All, commit_no(*id, *no))).collect();
        Roster { instances, own_id: 1, orphans, ..Roster::default() }
    }

    fn membership() -> Membership {
        Membership::new(Role::All, TTL)
    }

    #[test]
    fn an_instance_alone_takes_everything_at_once() {
        let moves = membership().look(Ok(&roster(&[(1, 0)], 1_024)), 0, Instant::now());
        assert_eq!(moves, [Move::Claim(1_024)]);
    }

    #[test]
    fn an_instance_that_writes_nothing_for_the_ttl_is_ended_and_not_before() {
        let (mut membership, start) = (membership(), Instant::now());
        let both = || roster(&[(1, 0), (2, 7)], 0);
        for seconds in [0.0, 3.0, 6.0, 9.9] {
            assert_eq!(membership.look(Ok(&both()), 512, start + secs(seconds)), []);
        }
        assert_eq!(membership.next_end(), Some(start + TTL));
        let moves = membership.look(Ok(&both()), 512, start + TTL);
        assert_eq!(moves, [Move::End(seen(2, Role::All, 7))]);
    }

    #[test]
    fn a_number_that_moves_or_a_failed_look_begins_the_observation_anew() {
        let (mut membership, start) = (membership(), Instant::now());
        let mut look = |no: Option<i64>, seconds: f64| {
            let seen = no.map(|no| roster(&[(1, 0), (2, no)], 0));
            membership.look(seen.as_ref().ok_or(()), 512, start + secs(seconds)).len()
        };
        for seconds in [0.0, 3.0, 6.0, 9.0] {
            assert_eq!(look(Some(7), seconds), 0);
        }
        for seconds in [10.0, 13.0, 16.0, 19.0] {
            assert_eq!(look(Some(8), seconds), 0, "it has written");
        }
        assert_eq!(look(None, 19.5), 0);
        for seconds in [22.0, 25.0, 28.0, 31.0] {
            assert_eq!(look(Some(8), seconds), 0, "a look has failed");
        }
        assert_eq!(look(Some(8), 32.0), 1);
    }

    #[test]
    fn an_instance_that_cannot_write_ends_nobody() {
        let (mut membership, start) = (membership(), Instant::now());
        let mut both = roster(&[(1, 0), (2, 7)], 0);
        for seconds in [0.0, 5.0, 10.0, 60.0] {
            assert_eq!(membership.look(Ok(&both), 512, start + secs(seconds)), []);
        }
        // The other one has its time for a write, too.
        for seconds in [61.0, 64.0, 67.0, 70.9] {
            both.instances[0].commit_no += 1;
            assert_eq!(membership.look(Ok(&both), 512, start + secs(seconds)), []);
        }
        both.instances[0].commit_no += 1;
        assert_eq!(membership.look(Ok(&both), 512, start + secs(71.0)).len(), 1);
    }

    #[test]
    fn shards_that_were_not_taken_over_are_whatever_the_share_is() {
        let (mut membership, start) = (membership(), Instant::now());
        let mut both = roster(&[(1, 0), (2, 0)], 0);
        both.unadopted = 30;
        assert_eq!(membership.look(Ok(&both), 512, start), [Move::Claim(30)]);
        both.orphans = 100;
        assert_eq!(membership.look(Ok(&both), 470, start), [Move::Claim(42)]);
    }

    #[test]
    fn what_is_beyond_the_share_is_given_back_in_portions() {
        let (mut membership, start) = (membership(), Instant::now());
        let both = |no| roster(&[(1, 0), (2, no)], 0);
        let mut look =
            |owned, no, seconds| membership.look(Ok(&both(no)), owned, start + secs(seconds));
        assert_eq!(look(1_024, 0, 0.0), [Move::GiveBack(52)]);
        assert_eq!(look(972, 1, 9.0), [], "a portion every ten seconds");
        assert_eq!(look(972, 2, 10.0), [Move::GiveBack(52)]);
        assert_eq!(look(520, 3, 20.0), [Move::GiveBack(8)]);
        assert_eq!(look(512, 4, 30.0), [], "the share");
    }

    #[test]
    fn an_instance_of_the_api_owns_nothing_and_counts_for_no_share() {
        let mut api = Membership::new(Role::Api, TTL);
        let mut of_both = roster(&[(1, 0), (2, 0)], 1_024);
        assert_eq!(api.look(Ok(&of_both), 0, Instant::now()), []);
        of_both.instances[1].role = Role::Api;
        let moves = membership().look(Ok(&of_both), 0, Instant::now());
        assert_eq!(moves, [Move::Claim(1_024)]);
        // It ends a silent one as the others do.
        let start = Instant::now();
        for seconds in [0.0, 3.0, 6.0, 9.0] {
            of_both.instances[0].commit_no += 1;
            assert_eq!(api.look(Ok(&of_both), 0, start + secs(seconds)), []);
        }
        of_both.instances[0].commit_no += 1;
        assert_eq!(api.look(Ok(&of_both), 0, start + TTL).len(), 1);
    }

    #[test]
    fn an_instance_that_was_ended_leaves() {
        let moves = membership().look(Ok(&roster(&[(2, 0)], 1_024)), 512, Instant::now());
        assert_eq!(moves, [Move::Leave]);
    }

    /// Instances that share a table of owners, in steps of a tenth of a second.
    struct Fleet {
        /// By id - 1.
        members: Vec<Member>,
        /// Owner of each shard.
        owners: Vec<Option<i64>>,
        start: Instant,
        now_ms: u64,
        /// When an instance last joined, left or fell silent.
        changed_ms: u64,
    }

    struct Member {
        membership: Membership,
        commit_no: i64,
        /// Whether it has ended.
        is_ended: bool,
        /// Since when it does nothing: killed, paused or cut off.
        silent_since_ms: Option<u64>,
        next_look_ms: u64,
        next_commit_ms: u64,
    }

    impl Fleet {
        fn new() -> Self {
            let owners = vec![None; SHARDS];
            let (now_ms, changed_ms) = (0, 0);
            Self { members: Vec::new(), owners, start: Instant::now(), now_ms, changed_ms }
        }

        fn join(&mut self) {
            let membership = Membership::new(Role::All, TTL);
            let (is_ended, silent_since_ms) = (false, None);
            let (next_look_ms, next_commit_ms) = (self.now_ms, self.now_ms);
            self.members.push(Member {
                membership,
                commit_no: 0,
                is_ended,
                silent_since_ms,
                next_look_ms,
                next_commit_ms,
            });
        }

        fn owned(&self, id: i64) -> usize {
            self.owners.iter().filter(|owner| **owner == Some(id)).count()
        }

        fn living(&self) -> Vec<i64> {
            let members = (1..).zip(&self.members);
            members.filter(|(_, member)| !member.is_ended).map(|(id, _)| id).collect()
        }

        fn end(&mut self, id: i64) {
            self.members[id as usize - 1].is_ended = true;
            for owner in self.owners.iter_mut().filter(|owner| **owner == Some(id)) {
                *owner = None;
            }
        }

        /// Returns the instances that were ended.
        fn step(&mut self) -> Vec<i64> {
            self.now_ms += 100;
            let mut ended = Vec::new();
            for id in self.living() {
                let nth = id as usize - 1;
                if self.members[nth].is_ended || self.members[nth].silent_since_ms.is_some() {
                    continue;
                }
                if self.members[nth].next_commit_ms <= self.now_ms {
                    self.members[nth].commit_no += 1;
                    self.members[nth].next_commit_ms = self.now_ms + 2_500;
                }
                if self.members[nth].next_look_ms <= self.now_ms {
                    self.members[nth].next_look_ms = self.now_ms + 1_000;
                    ended.extend(self.look(id));
                }
            }
            ended
        }

        fn look(&mut self, id: i64) -> Vec<i64> {
            let living = self.living().into_iter();
            let instances: Vec<Seen> = living
                .map(|id| seen(id, Role::All, self.members[id as usize - 1].commit_no))
                .collect();
            let orphans = self.owners.iter().filter(|owner| owner.is_none()).count();
            let roster = Roster { instances, own_id: id, orphans, ..Roster::default() };
            let (owned, now) = (self.owned(id), self.start + Duration::from_millis(self.now_ms));
            let moves = self.members[id as usize - 1].membership.look(Ok(&roster), owned, now);
            let mut ended = Vec::new();
            for it in moves {
                match it {
                    Move::End(other) => {
                        // In the same transaction as the comparison of its number.
                        assert_eq!(self.members[other.id as usize - 1].commit_no, other.commit_no);
                        self.end(other.id);
                        ended.push(other.id);
                    }
                    Move::Claim(most) => {
                        let free = self.owners.iter_mut().filter(|owner| owner.is_none());
                        free.take(most).for_each(|owner| *owner = Some(id));
                    }
                    Move::GiveBack(most) => {
                        let own = self.owners.iter_mut().filter(|owner| **owner == Some(id));
                        own.take(most).for_each(|owner| *owner = None);
                    }
                    Move::Leave => panic!("{id} lives"),
                }
            }
            ended
        }

        fn run(&mut self, seconds: u64) -> Vec<i64> {
            (0..seconds * 10).flat_map(|_| self.step()).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// An instance that writes is never ended; a silent one is ended within the TTL and some
        /// seconds; and in the end everything is owned, in equal shares.
        #[test]
        fn a_fleet_ends_the_silent_and_shares_the_rest(
            steps in prop::collection::vec((0_u8..3, 0_usize..8, 0_u64..30), 0..8)
        ) {
            let mut fleet = Fleet::new();
            fleet.join();
            for (what, nth, pause) in steps {
                let active: Vec<i64> = fleet
                    .living()
                    .into_iter()
                    .filter(|id| fleet.members[*id as usize - 1].silent_since_ms.is_none())
                    .collect();
                match what {
                    0 if active.len() < 8 => fleet.join(),
                    // One always stays.
                    1 if active.len() > 1 => {
                        let nth = active[nth % active.len()] as usize - 1;
                        fleet.members[nth].silent_since_ms = Some(fleet.now_ms);
                    }
                    2 if active.len() > 1 => fleet.end(active[nth % active.len()]),
                    _ => {}
                }
                fleet.changed_ms = fleet.now_ms;
                for id in fleet.run(pause) {
                    let member = &fleet.members[id as usize - 1];
                    let since = member.silent_since_ms;
                    prop_assert!(since.is_some(), "{id} wrote, and was ended");
                }
                for (id, member) in (1..).zip(&fleet.members) {
                    let since = member.silent_since_ms.filter(|_| !member.is_ended);
                    let Some(since) = since else { continue };
                    // An observer may have begun later.
                    let since = since.max(fleet.changed_ms);
                    prop_assert!(fleet.now_ms - since <= 14_500, "{id} is silent for too long");
                }
            }
            fleet.run(250);
            let living = fleet.living();
            let share = share(living.len());
            prop_assert!(fleet.owners.iter().all(Option::is_some));
            for id in &living {
                let owned = fleet.owned(*id);
                prop_assert!(owned <= share, "{id} has {owned} of {share}");
            }
        }
    }
}
