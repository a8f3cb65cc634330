//! What a probe notes on its way, so that it is known also when the deadline cuts it off.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::domain::{Body, Facts, Phases, ProbeDetails, ProbeReport};
use crate::probe::context::ProbeResponse;

/// What the probe is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Resolving,
    /// Making the connection.
    Connecting,
    /// In the TLS handshake.
    Securing,
    /// Sending the request and waiting for the head of the answer.
    Waiting,
    /// Reading the body.
    Reading,
}

impl Phase {
    /// The phase as the end of "still …".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolving => "looking up the name",
            Self::Connecting => "connecting",
            Self::Securing => "in the TLS handshake",
            Self::Waiting => "waiting for the answer",
            Self::Reading => "reading the body",
        }
    }
}

/// The notes of one probe. Each moment of it belongs to exactly one phase.
#[derive(Debug)]
pub struct Timings(RefCell<Notes>);

#[derive(Debug)]
struct Notes {
    phase: Phase,
    since: Instant,
    phases: Phases,
    http_status: Option<u16>,
    seen: ProbeDetails,
    /// What somebody who looks at this one probe wants to know.
    report: Option<Box<ProbeReport>>,
}

/// The notes when the probe is over.
#[derive(Debug)]
pub struct Traced {
    /// The phase in which it ended.
    pub last: Phase,
    /// Where its time went.
    pub phases: Phases,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// What else was seen.
    pub seen: ProbeDetails,
    /// More, if it was wanted.
    pub report: Option<Box<ProbeReport>>,
}

impl Timings {
    /// A probe that begins at `now` by looking up a name, and reports if somebody wants that.
    pub fn new(now: Instant, reports: bool) -> Self {
        Self(RefCell::new(Notes {
            phase: Phase::Resolving,
            since: now,
            phases: Phases::default(),
            http_status: None,
            seen: ProbeDetails::default(),
            report: reports.then(Box::default),
        }))
    }

    /// The next phase begins at `now`.
    pub fn enter(&self, phase: Phase, now: Instant) {
        let mut notes = self.0.borrow_mut();
        notes.book(now);
        notes.phase = phase;
    }

    /// An answer of that status came.
    pub fn answered(&self, status: u16) {
        self.0.borrow_mut().http_status = Some(status);
    }

    /// Notes something that was seen.
    pub fn note(&self, note: impl FnOnce(&mut ProbeDetails)) {
        note(&mut self.0.borrow_mut().seen);
    }

    /// Notes something for the report, if one is wanted.
    pub fn report(&self, note: impl FnOnce(&mut ProbeReport)) {
        if let Some(report) = &mut self.0.borrow_mut().report {
            note(report);
        }
    }

    /// What conditions are judged by: that was `said`, and complete at `now`. The body is read as JSON where one asks for it.
    pub fn facts(
        &self,
        said: ProbeResponse,
        reads_json: bool,
        now: Instant,
        unix_ms: i64,
    ) -> Facts {
        let notes = self.0.borrow();
        let left = notes.seen.certificate_expires_at.map(|at| at.saturating_sub(unix_ms / 1_000));
        Facts {
            status: said.status,
            response_time: notes.phases.total() + now.duration_since(notes.since),
            ip: notes.seen.address.map(|address| address.ip()),
            certificate_expires_in: left
                .map(|seconds| Duration::from_secs(seconds.max(0).cast_unsigned())),
            dns_rcode: said.rcode,
            body: Body::new(said.body, reads_json),
        }
    }

    /// The probe is over at `now`.
    pub fn finish(self, now: Instant) -> Traced {
        let mut notes = self.0.into_inner();
        notes.book(now);
        let Notes { phase, phases, http_status, seen, report, .. } = notes;
        Traced { last: phase, phases, http_status, seen, report }
    }
}

impl Notes {
    /// Books the time until `now` to the phase under way.
    fn book(&mut self, now: Instant) {
        let spent = now.duration_since(self.since);
        self.since = now;
        let phases = &mut self.phases;
        let account = match self.phase {
            Phase::Resolving => &mut phases.resolve,
            Phase::Connecting => &mut phases.connect,
            Phase::Securing => &mut phases.tls,
            Phase::Waiting => &mut phases.processing,
            Phase::Reading => &mut phases.transfer,
        };
        *account += spent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_belongs_to_one_phase_and_redirects_add_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let trace = Timings::new(start, false);
        for (ms, phase) in [
            (1, Phase::Connecting),
            (3, Phase::Waiting),
            (10, Phase::Resolving),
            (11, Phase::Connecting),
            (14, Phase::Securing),
            (20, Phase::Waiting),
            (30, Phase::Reading),
        ] {
            trace.enter(phase, at(ms));
        }
        let Traced { last, phases, .. } = trace.finish(at(31));
        let ms = |duration: Duration| duration.as_millis();
        assert_eq!((ms(phases.resolve), ms(phases.connect), ms(phases.tls)), (2, 5, 6));
        assert_eq!((ms(phases.processing), ms(phases.transfer), last), (17, 1, Phase::Reading));
        assert_eq!(phases.total(), Duration::from_millis(31));
    }
}
