//! The coordinator: what this instance does because of the others on the same store.
//!
//! It looks once a second and carries out what [`Membership`] decides. It exists only for a store
//! that may have several instances.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, error, info, warn};

use crate::actors::membership::{Membership, Move};
use crate::actors::messages::instances::{
    CarryOut, ChangesFound, ClaimShards, CommandsDone, DropShards, EndInstance, GiveBackShards,
    Look, Looked, RecordInbox, Rejoin, StopCoordinator,
};
use crate::actors::open_alerts::OpenAlerts;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::clock;
use crate::domain::time::shared_clock::{adjustment_ms, is_step};
use crate::domain::{Role, ShardSet};
use crate::metrics::Telemetry;
use crate::storage::StorageError;
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::owned::{Duties, OwnedShards};
use crate::storage::coordination::{Duty, Roster};

/// Interval between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shortest time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The same while an instance is silent for longer than the TTL and cannot be ended, as when nobody
/// can write.
const LOOK_AT_SILENT: Duration = Duration::from_millis(250);

/// Longest time for the commands of a look, since a settlement waits until the store takes writes.
/// The others come again.
const COMMANDS_WAIT: Duration = Duration::from_secs(5);

/// Interval between two reads of results of other owners, which is that of results in streams.
const RESULTS_EVERY: Duration = Duration::from_secs(5);

/// A result may become visible this much after the time of its commit, in seconds: the longest
/// usual write. One that takes longer is shown with the next result of its service.
const RESULTS_LATE_S: i64 = 5;

#[derive(Debug, Clone)]
pub struct CoordinatorSettings {
    pub role: Role,
    /// An instance that writes nothing for this long is ended.
    pub ttl: Duration,
    /// The duties that this instance may have.
    pub wanted: Vec<Duty>,
    /// The newest change of definitions that was read at the start.
    pub revision: i64,
}

/// What the coordinator sends messages to, and what it shares.
#[derive(Clone)]
pub struct CoordinatorLinks {
    pub look: Recipient<Look>,
    pub end: Recipient<EndInstance>,
    pub rejoin: Recipient<Rejoin>,
    pub claim: Recipient<ClaimShards>,
    pub give_back: Recipient<GiveBackShards>,
    pub drop: Recipient<DropShards>,
    pub changes: Recipient<ChangesFound>,
    pub inbox: Recipient<RecordInbox>,
    pub commands: Recipient<CarryOut>,
    pub commands_done: Recipient<CommandsDone>,
    pub owned: OwnedShards,
    pub duties: Duties,
    /// Written here while another instance decides about alerts.
    pub open_alerts: OpenAlerts,
    pub roster: CurrentRoster,
}

/// The newest look, for the API; clones share it. `None` before the first one, and always for a
/// store with one instance.
#[derive(Debug, Clone, Default)]
pub struct CurrentRoster(Arc<Mutex<Option<(Roster, Instant)>>>);

impl CurrentRoster {
    /// The instances, and when they were seen.
    pub fn get(&self) -> Option<(Roster, Instant)> {
        self.lock().clone()
    }

    fn set(&self, roster: Roster, now: Instant) {
        *self.lock() = Some((roster, now));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Roster, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look, and what follows from it, is under way at a time; and one give-back.
pub struct Coordinator {
    membership: Membership,
    settings: CoordinatorSettings,
    links: CoordinatorLinks,
    /// The newest change of definitions that is taken over.
    revision: i64,
    /// Rows of the inbox that the recorder has, and that the store still has.
    delivered: HashSet<i64>,
    /// The newest look has found changes of others. This instance may have made later ones before
    /// the recorder took those over, so the next look reads its own changes, too.
    reads_own: bool,
    results: ResultReads,
    is_looking: bool,
    /// The shards that are being given back; empty for none.
    leaving: ShardSet,
    is_stopping: bool,
    is_failing: bool,
    /// What the newest look has found and could not be taken over, as it was logged.
    refused: Option<String>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

/// What the moves of a look led to.
#[derive(Debug, Default)]
struct Carried {
    /// The next look follows at once.
    looks_again: bool,
    /// Definitions up to this change are taken over.
    revision: Option<i64>,
    /// Rows of the inbox that the recorder has accepted.
    accepted: Vec<i64>,
    /// What could not be taken over, and why.
    refused: Option<String>,
}

impl Carried {
    /// Notes an error that no later attempt repairs. The others are those of the store, which the
    /// recorder logs.
    fn refuse(&mut self, what: &str, error: &StorageError) {
        if !matches!(error, StorageError::Unavailable(_) | StorageError::Busy) {
            self.refused = Some(format!("{what}: {error}"));
        }
    }
}

/// When the results of other owners are read, for pages and streams of this instance.
#[derive(Debug, Default)]
struct ResultReads {
    /// Of the newest read: when, and the time of the database in unix seconds. `None` before the
    /// first one beside others, which reads all.
    newest: Option<(Instant, i64)>,
    /// Whether the look that is under way, or the newest one, reads them.
    is_due: bool,
}

impl ResultReads {
    /// A look begins. Results since then are read, in unix seconds; `None` when none are due.
    fn begin(&mut self, now: Instant) -> Option<i64> {
        let since_s = match self.newest {
            None => Some(0),
            Some((at, _)) if now.saturating_duration_since(at) < RESULTS_EVERY => None,
            Some((_, at_s)) => Some(at_s - RESULTS_LATE_S),
        };
        self.is_due = since_s.is_some();
        since_s
    }

    /// The look has succeeded.
    fn ended(&mut self, roster: &Roster, now: Instant) {
        if roster.is_alone() || roster.own().is_none() {
            self.newest = None;
        } else if self.is_due {
            self.newest = Some((now, roster.now_ms / 1_000));
        }
    }
}

impl Coordinator {
    pub fn new(settings: CoordinatorSettings, links: CoordinatorLinks, runtime: &Runtime) -> Self {
        Self {
            membership: Membership::new(settings.role, settings.ttl),
            revision: settings.revision,
            settings,
            links,
            delivered: HashSet::new(),
            reads_own: false,
            results: ResultReads::default(),
            is_looking: false,
            leaving: ShardSet::EMPTY,
            is_stopping: false,
            is_failing: false,
            refused: None,
            telemetry: runtime.telemetry.clone(),
            log: runtime.log.clone(),
            _lifeline: runtime.lifeline("coordinator"),
        }
    }

    fn look(&mut self, context: &mut Context<Self>) {
        if self.is_looking || self.is_stopping {
            return;
        }
        self.is_looking = true;
        let is_shown = self.settings.role.serves();
        let look = Look {
            leaving: self.leaving,
            since: self.revision,
            reads_own: self.reads_own,
            wanted: self.settings.wanted.clone(),
            results_since_s: is_shown.then(|| self.results.begin(Instant::now())).flatten(),
        };
        let looked = self.links.look.send(look).into_actor(self);
        context.spawn(looked.then(|looked, coordinator, context| {
            let died = |_| Err(StorageError::Unavailable("the coordinator has died".to_owned()));
            let carried = match looked.unwrap_or_else(died) {
                Ok(looked) => coordinator.carry(looked, context),
                Err(error) => coordinator.fail(&error),
            };
            carried.map(|carried, coordinator, context| coordinator.carried(carried, context))
        }));
    }

    fn fail(&mut self, error: &StorageError) -> ResponseActFuture<Self, Carried> {
        let owned = self.links.owned.get().len();
        self.membership.look(Err(()), owned, Instant::now());
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(self.log, "the other instances cannot be seen"; "error" => %error);
        }
        Box::pin(fut::ready(Carried::default()))
    }

    fn carried(&mut self, carried: Carried, context: &mut Context<Self>) {
        self.is_looking = false;
        self.revision = carried.revision.unwrap_or(self.revision);
        self.delivered.extend(carried.accepted);
        if let Some(why) = &carried.refused
            && self.refused != carried.refused
        {
            error!(self.log, "this instance could not take over what the store has; \
                it tries again every second"; "error" => why);
        }
        self.refused = carried.refused;
        let wait = match self.membership.next_end() {
            _ if carried.looks_again => LOOK_AGAIN,
            end => until_next_look(end, Instant::now()),
        };
        context.run_later(wait, Self::look);
    }

    /// Does what follows from a look.
    fn carry(
        &mut self,
        looked: Looked,
        context: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Carried> {
        if std::mem::take(&mut self.is_failing) {
            info!(self.log, "the other instances can be seen again");
        }
        let Looked { roster, changed, deleted, settings, states, results, mut inbox, .. } = looked;
        let Looked { open_alerts, commands, .. } = looked;
        self.results.ended(&roster, Instant::now());
        let owned = self.links.owned.get();
        let moves = self.membership.look(Ok(&roster), owned.len(), Instant::now());
        let lives = roster.own().is_some();
        self.links.duties.set(if lives { &roster.duties } else { &[] });
        if lives {
            self.links.roster.set(roster.clone(), Instant::now());
        }
        if let Some(counts) = open_alerts {
            self.links.open_alerts.set(counts);
        }
        self.telemetry.instances.set(roster.instances.len() as i64);
        self.telemetry.shards_owned.set(owned.len() as i64);
        self.follow_clock(roster.clock_behind_ms);
        self.delivered.retain(|id| inbox.iter().any(|(row, _)| row == id));
        inbox.retain(|(id, _)| !self.delivered.contains(id));

        if let Some(Move::GiveBack(most)) = moves.iter().find(|it| matches!(it, Move::GiveBack(_)))
            && self.leaving.is_empty()
        {
            self.give_back(*most, context);
        }
        let (links, log) = (self.links.clone(), self.log.clone());
        let revision = roster.revision;
        self.reads_own = settings.is_some();
        let found = ChangesFound { changed, deleted, settings, states, results };
        let is_alone = roster.is_alone() && revision == self.revision;
        let may_rejoin = roster.may_rejoin;
        let carried = async move {
            if moves.contains(&Move::Leave) {
                // Otherwise the recorder finds that its place is taken, and the process ends.
                return if may_rejoin { links.leave(&log).await } else { Carried::default() };
            }
            let mut carried = Carried::default();
            for it in moves {
                match it {
                    Move::End(other) => {
                        let (id, name) = (other.id, other.name.clone());
                        if let Ok(Ok(true)) = links.end.send(EndInstance(other)).await {
                            warn!(log, "an instance has written nothing for too long and was ended";
                                "instance" => id, "name" => name);
                            carried.looks_again = true;
                        }
                    }
                    Move::Claim(most) => {
                        if let Ok(Err(error)) = links.claim.send(ClaimShards(most)).await {
                            carried.refuse("shards", &error);
                        }
                    }
                    Move::GiveBack(_) | Move::Leave => {}
                }
            }
            if is_alone {
                carried.revision = Some(revision);
            } else {
                match links.changes.send(found).await {
                    Ok(Ok(())) => carried.revision = Some(revision),
                    Ok(Err(error)) => carried.refuse("changes of definitions", &error),
                    // The recorder has died, and the process ends.
                    Err(_) => {}
                }
            }
            links.carry_out(commands).await;
            let (ids, outcomes): (Vec<i64>, Vec<_>) = inbox.into_iter().unzip();
            if !outcomes.is_empty() {
                let accepted = links.inbox.send(RecordInbox(outcomes)).await.unwrap_or_default();
                carried.accepted = ids.into_iter().take(accepted).collect();
            }
            carried
        };
        Box::pin(carried.into_actor(self))
    }

    fn give_back(&mut self, most: usize, context: &mut Context<Self>) {
        let shards = self.links.owned.get().some(most);
        self.leaving = shards;
        info!(self.log, "shards are given back"; "shards" => shards.len());
        let given = self.links.give_back.send(GiveBackShards(shards)).into_actor(self);
        context.spawn(given.map(|_, coordinator, _| {
            coordinator.leaving = ShardSet::EMPTY;
        }));
    }

    fn follow_clock(&self, behind_ms: i64) {
        clock::adjust(adjustment_ms(behind_ms));
        if is_step(behind_ms) {
            warn!(self.log, "the clock of this machine was set, or that of the database; \
                the database has the time"; "behind_by_seconds" => behind_ms as f64 / 1e3);
        }
    }
}

impl CoordinatorLinks {
    /// Commands about alerts that other instances have received. To carry one out again changes
    /// nothing. A later one may undo an earlier one, so the first that is not carried out ends it.
    async fn carry_out(&self, commands: Vec<(i64, AlertCommand)>) {
        let (began, mut done) = (Instant::now(), Vec::new());
        for (id, command) in commands {
            let left = COMMANDS_WAIT.saturating_sub(began.elapsed());
            match self.commands.send(CarryOut(command)).timeout(left).await {
                Ok(Err(StorageError::Busy | StorageError::Unavailable(_))) | Err(_) => break,
                Ok(_) => done.push(id),
            }
        }
        if !done.is_empty() {
            // After an error the next look finds them again.
            let _ = self.commands_done.send(CommandsDone(done)).await;
        }
    }

    /// This instance was ended: it gives up what it holds and registers anew.
    async fn leave(&self, log: &Logger) -> Carried {
        self.duties.set(&[]);
        // An error means that the recorder has died, and the process ends.
        let _ = self.drop.send(DropShards).await;
        let looks_again = match self.rejoin.send(Rejoin).await {
            Ok(Ok(())) => {
                info!(log, "this instance has registered anew");
                true
            }
            _ => false,
        };
        Carried { looks_again, ..Carried::default() }
    }
}

/// Time until the next look, when an instance may be ended at `next_end`.
fn until_next_look(next_end: Option<Instant>, now: Instant) -> Duration {
    match next_end.map(|end| end.saturating_duration_since(now)) {
        None => LOOK_EVERY,
        Some(Duration::ZERO) => LOOK_AT_SILENT,
        Some(left) => left.clamp(LOOK_AGAIN, LOOK_EVERY),
    }
}

impl Actor for Coordinator {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.look(context);
    }
}

impl Handler<StopCoordinator> for Coordinator {
    type Result = ();

    fn handle(&mut self, _: StopCoordinator, _: &mut Self::Context) {
        self.is_stopping = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_is_at_the_end_of_the_ttl_but_not_all_the_time_after_it() {
        let now = Instant::now();
        let wait = |ms: Option<u64>| {
            until_next_look(ms.map(|ms| now + Duration::from_millis(ms)), now).as_millis()
        };
        assert_eq!([None, Some(9_000), Some(400), Some(3)].map(wait), [1_000, 1_000, 400, 10]);
        assert_eq!(until_next_look(Some(now), now), LOOK_AT_SILENT);
        assert_eq!(until_next_look(Some(now), now + Duration::from_secs(60)), LOOK_AT_SILENT);
    }
}
