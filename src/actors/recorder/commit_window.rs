//! How long a result may wait for others to share its commit. Pure.
//!
//! A commit writes whole pages and waits for the disk, whatever it contains. So results that change
//! nothing but counts wait for each other: for the commit window, and for at most a share of their
//! interval. A result is prompt when it may begin or end an event or an alert, and when its sender
//! waits. A prompt result takes all that wait along.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::{IdMap, Outcome, ServiceId, Verdict};
use crate::storage::ledger::Committed;

/// Longest wait of a prompt result.
const PROMPT: Duration = Duration::from_millis(200);

/// A result waits for at most this part of its interval, so that it is never much older than the
/// interval makes results anyway.
const INTERVAL_SHARE: u32 = 4;

/// What each service's next result may change. Bound: two small entries a watched service.
#[derive(Debug)]
pub struct CommitWindow {
    window: Duration,
    /// The services whose next result changes nothing unless its state is another one, with their
    /// state: up (`true`) or down. As of their newest committed result.
    settled: IdMap<bool>,
    /// Position of the newest result in the buffer of each service that has one there.
    waiting: HashMap<ServiceId, u64>,
}

impl CommitWindow {
    /// `window` is the longest wait.
    pub fn new(window: Duration) -> Self {
        Self { window, settled: IdMap::default(), waiting: HashMap::new() }
    }

    /// How long `outcome` may wait.
    pub fn wait(&self, outcome: &Outcome) -> Duration {
        match outcome.scheduled_every.filter(|_| self.changes_nothing(outcome)) {
            Some(interval) => self.window.min((interval / INTERVAL_SHARE).max(PROMPT)),
            None => self.window.min(PROMPT),
        }
    }

    fn changes_nothing(&self, outcome: &Outcome) -> bool {
        let id = outcome.service_id;
        let is_up = match outcome.verdict() {
            Verdict::Up => true,
            Verdict::Down => false,
            Verdict::Unknown | Verdict::Local => return false,
        };
        self.settled.get(id) == Some(&is_up) && !self.waiting.contains_key(&id)
    }

    /// An outcome of this service goes into the buffer, at `position`.
    pub fn buffered(&mut self, id: ServiceId, position: u64) {
        self.waiting.insert(id, position);
    }

    /// Everything up to the position `finished` has left the buffer, the newest of it with
    /// `committed`.
    pub fn committed(&mut self, committed: &Committed, finished: u64) {
        self.waiting.retain(|_, position| *position > finished);
        for (id, _) in &committed.updates {
            self.settled.remove(*id);
        }
        self.settled.extend(committed.settled.iter().copied());
    }

    /// The service was changed or removed.
    pub fn changed(&mut self, id: ServiceId) {
        self.settled.remove(id);
    }

    /// Events of any service may have changed, or what alerts are for.
    pub fn all_changed(&mut self) {
        self.settled.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::live::ServiceUpdate;
    use crate::domain::{Failure, Reason, sample};

    const WINDOW: Duration = Duration::from_secs(5);
    const MINUTE: Duration = Duration::from_secs(60);

    fn up(every: Option<Duration>) -> Outcome {
        Outcome { scheduled_every: every, ..sample::outcome(1, 0) }
    }

    fn down(every: Duration) -> Outcome {
        Outcome { failure: Some(Failure::new(Reason::Refused, "refused")), ..up(Some(every)) }
    }

    fn settled(is_up: bool) -> Committed {
        Committed { settled: vec![(sample::outcome(1, 0).service_id, is_up)], ..Default::default() }
    }

    /// The window of a service that is settled.
    fn window(is_up: bool) -> CommitWindow {
        let mut window = CommitWindow::new(WINDOW);
        window.committed(&settled(is_up), 0);
        window
    }

    #[test]
    fn a_result_that_changes_nothing_waits_for_the_window_and_a_share_of_its_interval() {
        let window = window(true);
        let waits = |interval_ms| window.wait(&up(Some(Duration::from_millis(interval_ms))));
        assert_eq!(waits(60_000), WINDOW);
        assert_eq!(waits(10_000), Duration::from_millis(2_500));
        assert_eq!(waits(1_000), Duration::from_millis(250));
        assert_eq!(waits(100), PROMPT, "never shorter than that of a prompt result");
        assert_eq!(self::window(false).wait(&down(MINUTE)), WINDOW, "it is down, and stays so");
    }

    #[test]
    fn a_result_that_may_change_a_state_and_one_whose_sender_waits_are_prompt() {
        assert_eq!(CommitWindow::new(WINDOW).wait(&up(Some(MINUTE))), PROMPT, "the first one");
        assert_eq!(window(true).wait(&down(MINUTE)), PROMPT);
        assert_eq!(window(false).wait(&up(Some(MINUTE))), PROMPT);
        assert_eq!(window(true).wait(&up(None)), PROMPT, "on demand, or a report");
        let unknown = Outcome { network_down: true, ..down(MINUTE) };
        assert_eq!(window(true).wait(&unknown), PROMPT);
        assert_eq!(window(false).wait(&unknown), PROMPT);
    }

    #[test]
    fn a_window_below_that_of_a_prompt_result_holds_for_all() {
        for window in [Duration::ZERO, Duration::from_millis(50)] {
            let mut short = CommitWindow::new(window);
            short.committed(&settled(true), 0);
            assert_eq!(short.wait(&up(Some(MINUTE))), window);
            assert_eq!(short.wait(&down(MINUTE)), window);
        }
    }

    #[test]
    fn a_second_result_before_the_commit_of_the_first_is_prompt() {
        let mut window = window(true);
        window.buffered(up(None).service_id, 7);
        assert_eq!(window.wait(&up(Some(MINUTE))), PROMPT);
        window.committed(&settled(true), 6);
        assert_eq!(window.wait(&up(Some(MINUTE))), PROMPT, "of the results before it");
        window.committed(&settled(true), 7);
        assert_eq!(window.wait(&up(Some(MINUTE))), WINDOW);
    }

    #[test]
    fn a_commit_that_leaves_a_service_unsettled_makes_its_results_prompt() {
        let mut window = window(true);
        let update = ServiceUpdate { event: None, is_flapping: false, result: None, totals: None };
        let id = sample::outcome(1, 0).service_id;
        window.committed(&Committed { updates: vec![(id, update)], ..Default::default() }, 1);
        assert_eq!(window.wait(&up(Some(MINUTE))), PROMPT);
    }

    #[test]
    fn a_change_of_the_service_or_of_alerting_makes_the_next_result_prompt() {
        let mut window = window(true);
        window.changed(sample::outcome(1, 0).service_id);
        assert_eq!(window.wait(&up(Some(MINUTE))), PROMPT);
        let mut window = self::window(true);
        window.all_changed();
        assert_eq!(window.wait(&up(Some(MINUTE))), PROMPT);
    }
}
