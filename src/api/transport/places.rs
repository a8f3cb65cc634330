//! Which connection is closed when another one needs its place. Pure decisions.

use std::time::{Duration, Instant};

/// A connection that has waited for its client for this long, without a place, gives room to
/// another one when there are too many connections.
pub const SLOW_CLIENT: Duration = Duration::from_millis(250);

/// How long a request waits for a place.
pub const PLACE_WAIT: Duration = Duration::from_millis(250);

/// A client that has taken nothing for this long gives its place and its memory to another request
/// when these are short.
pub const SLOW_READER: Duration = Duration::from_secs(5);

/// The state of one connection, as far as it concerns places and deadlines.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The connection has had a complete response.
    pub is_served: bool,
    /// Requests whose response is not finished.
    pub open_requests: u32,
    /// The connection has a place: one of its requests is neither health nor readiness, and its
    /// body is complete.
    pub has_place: bool,
    /// When the last response was finished; at first, when the connection was accepted.
    pub idle_since: Instant,
    /// The request ends when its client closes the connection.
    pub is_watched: bool,
    /// Since when a handler has been reading the body of a request.
    pub body_since: Option<Instant>,
    /// Since when the client has not taken any byte, while there are bytes to take.
    pub blocked_since: Option<Instant>,
}

/// What a connection waits for, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The client must send the head of a request.
    Head(Instant),
    /// The client must send the rest of a body.
    Body(Instant),
    /// The client must take bytes of a response.
    Reader(Instant),
    /// This process must respond.
    Server,
}

impl Progress {
    /// The state of a connection that is accepted now.
    pub fn new(now: Instant) -> Self {
        Self {
            is_served: false,
            open_requests: 0,
            has_place: false,
            idle_since: now,
            is_watched: false,
            body_since: None,
            blocked_since: None,
        }
    }

    pub fn wait(&self) -> Wait {
        match (self.blocked_since, self.body_since) {
            (Some(since), _) => Wait::Reader(since),
            (None, Some(since)) => Wait::Body(since),
            (None, None) if self.open_requests == 0 => Wait::Head(self.idle_since),
            (None, None) => Wait::Server,
        }
    }

    /// Since when this connection could be closed in favour of a new connection: it has no place
    /// and has waited for its client for at least [`SLOW_CLIENT`].
    fn replaceable_since(&self, now: Instant) -> Option<Instant> {
        let since = match self.wait() {
            _ if self.has_place => return None,
            Wait::Server => return None,
            Wait::Head(since) | Wait::Body(since) | Wait::Reader(since) => since,
        };
        (now.saturating_duration_since(since) >= SLOW_CLIENT).then_some(since)
    }

    /// Whether the client has taken nothing for [`SLOW_READER`].
    pub fn is_slow_reader(&self, now: Instant) -> bool {
        let is_slow = |since: Instant| now.saturating_duration_since(since) >= SLOW_READER;
        self.blocked_since.is_some_and(is_slow)
    }
}

/// The connections to close when there are `excess` too many: those without a place that have
/// waited longest, and all that never had a response, so that many slow clients do not delay
/// others.
pub fn to_replace<K>(
    all: impl Iterator<Item = (K, Progress)>,
    excess: usize,
    now: Instant,
) -> Vec<K> {
    let mut replaceable: Vec<_> = all
        .filter_map(|(key, progress)| {
            Some((progress.replaceable_since(now)?, progress.is_served, key))
        })
        .collect();
    replaceable.sort_by_key(|(since, _, _)| *since);
    let numbered = replaceable.into_iter().enumerate();
    numbered
        .filter(|(nth, (_, is_served, _))| *nth < excess || !is_served)
        .map(|(_, (_, _, key))| key)
        .collect()
}

/// The connection to close for a request that needs a place: the reader that has been slow for the
/// longest time.
pub fn to_preempt<K>(all: impl Iterator<Item = (K, Progress)>, now: Instant) -> Option<K> {
    all.filter(|(_, progress)| progress.has_place && progress.is_slow_reader(now))
        .min_by_key(|(_, progress)| progress.blocked_since)
        .map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn connections_that_wait_for_their_clients_are_replaced_the_oldest_first() {
        let start = Instant::now();
        let unused = |ms| Progress::new(at(start, ms));
        let idle = |ms| Progress { is_served: true, ..unused(ms) };
        let working = Progress { open_requests: 1, ..idle(0) };
        let reads_nothing =
            Progress { open_requests: 1, blocked_since: Some(at(start, 5)), ..idle(0) };
        let has_place = Progress { has_place: true, ..reads_nothing };
        let all = [
            ("working", working),
            ("place", has_place),
            ("pipelined health", reads_nothing),
            ("newer", idle(20)),
            ("older", idle(10)),
        ];
        let replaced = |excess, ms| to_replace(all.into_iter(), excess, at(start, ms));
        assert_eq!(replaced(3, 254), [""; 0], "each may still send its head");
        assert_eq!(replaced(1, 270), ["pipelined health"]);
        assert_eq!(replaced(9, 270), ["pipelined health", "older", "newer"]);
        let body = Progress { open_requests: 1, body_since: Some(at(start, 20)), ..unused(0) };
        let slow = [("idle", idle(0)), ("slow head", unused(10)), ("slow body", body)];
        let replaced = |ms| to_replace(slow.into_iter(), 1, at(start, ms));
        assert_eq!(replaced(260), ["idle", "slow head"]);
        assert_eq!(replaced(270), ["idle", "slow head", "slow body"]);
    }

    #[test]
    fn a_request_preempts_the_slowest_reader_and_no_other_connection() {
        let start = Instant::now();
        let place = Progress { open_requests: 1, has_place: true, ..Progress::new(start) };
        let reader = |ms| Progress { blocked_since: Some(at(start, ms)), ..place };
        let elsewhere = Progress { has_place: false, ..reader(0) };
        let all =
            [("late", reader(10)), ("early", reader(9)), ("server", place), ("none", elsewhere)];
        assert_eq!(to_preempt(all.into_iter(), at(start, 5_008)), None, "neither is slow yet");
        assert_eq!(to_preempt(all.into_iter(), at(start, 5_009)), Some("early"));
        assert_eq!(to_preempt(all.into_iter(), at(start, 9_000)), Some("early"));
    }
}
