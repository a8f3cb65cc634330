//! Clients that wait for the commit of the outcome that they reported. Pure.

use std::collections::VecDeque;

use super::queued::Reply;
use crate::actors::messages::recording::RecordReply;
use crate::domain::{Outcome, Reason, ServiceId};
use crate::storage::ledger::Committed;

/// The clients that wait, each with one reported outcome. Bound: one a connection.
#[derive(Default)]
pub struct Reports {
    /// Clients whose outcomes are in the buffer, in its order.
    buffered: VecDeque<Waiting>,
    /// Clients whose outcomes the self-check holds; those of one service are in order. `None` once
    /// the client has its answer.
    held: VecDeque<(ServiceId, Option<Reply<RecordReply>>)>,
}

struct Waiting {
    /// As [`Buffer::push`](super::buffer::Buffer::push) returned it.
    position: u64,
    service_id: ServiceId,
    reply: Reply<RecordReply>,
}

impl Reports {
    /// The self-check holds the client's outcome.
    pub fn hold(&mut self, service_id: ServiceId, reply: Reply<RecordReply>) {
        self.held.push_back((service_id, Some(reply)));
    }

    /// The client that reported an outcome which the self-check no longer holds. A late heartbeat
    /// is never reported by a client, and nothing else is held for a push service.
    pub fn release(&mut self, outcome: &Outcome) -> Option<Reply<RecordReply>> {
        let reason = outcome.failure.as_ref().map(|failure| failure.reason);
        if reason == Some(Reason::HeartbeatLate) {
            return None;
        }
        let nth = self.held.iter().position(|(id, _)| *id == outcome.service_id)?;
        self.held.remove(nth)?.1
    }

    /// The client's outcome is in the buffer, at `position`.
    pub fn wait(&mut self, position: u64, service_id: ServiceId, reply: Reply<RecordReply>) {
        self.buffered.push_back(Waiting { position, service_id, reply });
    }

    /// Whether a client waits for the next commit.
    pub fn is_waiting(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Everything in the buffer up to `finished` is committed, with this result.
    pub fn committed(&mut self, finished: u64, committed: &Committed) {
        while let Some(waiting) = self.buffered.pop_front_if(|it| it.position <= finished) {
            let id = waiting.service_id;
            let reply = if committed.refused.iter().any(|(refused, _)| *refused == id) {
                RecordReply::Dropped
            } else if committed.orphaned.contains(&id) {
                RecordReply::Orphaned
            } else {
                RecordReply::Recorded
            };
            // The client may have gone; its outcome counts all the same.
            let _ = waiting.reply.send(reply);
        }
    }

    /// The store fails: the outcomes may stay in memory for long.
    pub fn store_fails(&mut self) {
        let replies = self.buffered.drain(..).map(|waiting| waiting.reply);
        let held = self.held.iter_mut().filter_map(|(_, reply)| reply.take());
        for reply in replies.chain(held) {
            let _ = reply.send(RecordReply::Buffered);
        }
    }

    /// Nothing will be written any more. Dropping the replies tells the clients.
    pub fn clear(&mut self) {
        self.buffered.clear();
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::domain::Failure;
    use crate::domain::sample;

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn waiting(reports: &mut Reports, position: u64, service: i64) -> Receiver<RecordReply> {
        let (reply, received) = oneshot::channel();
        reports.wait(position, id(service), reply);
        received
    }

    #[test]
    fn a_client_is_answered_when_its_outcome_is_committed_and_not_before() {
        let mut reports = Reports::default();
        let mut first = waiting(&mut reports, 3, 1);
        let mut second = waiting(&mut reports, 5, 2);
        reports.committed(2, &Committed::default());
        assert!(first.try_recv().is_err(), "two outcomes before it are committed");
        reports.committed(4, &Committed::default());
        assert_eq!(first.try_recv(), Ok(RecordReply::Recorded));
        assert!(second.try_recv().is_err() && reports.is_waiting());
        reports.committed(5, &Committed::default());
        assert_eq!(second.try_recv(), Ok(RecordReply::Recorded));
        assert!(!reports.is_waiting());
    }

    #[test]
    fn an_outcome_that_the_store_did_not_take_is_not_confirmed() {
        let mut reports = Reports::default();
        let mut clients: Vec<_> =
            (1..=3).map(|nth| waiting(&mut reports, nth as u64, nth)).collect();
        let committed = Committed {
            refused: vec![(id(1), "contradiction".to_owned())],
            orphaned: vec![id(2)],
            ..Committed::default()
        };
        reports.committed(3, &committed);
        let replies: Vec<_> = clients.iter_mut().map(|client| client.try_recv().unwrap()).collect();
        assert_eq!(replies, [RecordReply::Dropped, RecordReply::Orphaned, RecordReply::Recorded]);
    }

    #[test]
    fn while_the_store_fails_no_client_waits() {
        let mut reports = Reports::default();
        let mut buffered = waiting(&mut reports, 1, 1);
        let (reply, mut held) = oneshot::channel();
        reports.hold(id(2), reply);
        reports.store_fails();
        assert_eq!(buffered.try_recv(), Ok(RecordReply::Buffered));
        assert_eq!(held.try_recv(), Ok(RecordReply::Buffered));
        assert!(reports.release(&sample::outcome(2, 0)).is_none());
    }

    #[test]
    fn a_released_outcome_finds_its_client_behind_the_late_heartbeat_before_it() {
        let mut reports = Reports::default();
        let (first, mut first_answer) = oneshot::channel();
        let (other, _other_answer) = oneshot::channel();
        reports.hold(id(2), other);
        reports.hold(id(1), first);
        let late = Outcome {
            failure: Some(Failure::new(Reason::HeartbeatLate, "")),
            ..sample::outcome(1, 0)
        };
        assert!(reports.release(&late).is_none());
        let reply = reports.release(&sample::outcome(1, 1)).unwrap();
        reply.send(RecordReply::Recorded).unwrap();
        assert_eq!(first_answer.try_recv(), Ok(RecordReply::Recorded));
        assert!(reports.release(&sample::outcome(1, 2)).is_none(), "a single client waited");
    }
}
