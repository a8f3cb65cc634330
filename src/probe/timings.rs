//! What a probe records while it runs, so that it is known when the deadline ends the probe.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::domain::{Body, Facts, Phases, ProbeDetails, ProbeReport};
use crate::probe::response::ProbeResponse;

/// What the probe is doing; see [`Phases`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Resolve,
    Connect,
    Tls,
    /// From sending the request to the head of the response.
    Processing,
    /// Reading the body.
    Transfer,
}

impl Phase {
    /// The phase as the end of "still …".
    pub fn as_activity(self) -> &'static str {
        match self {
            Self::Resolve => "looking up the name",
            Self::Connect => "connecting",
            Self::Tls => "in the TLS handshake",
            Self::Processing => "waiting for the response",
            Self::Transfer => "reading the body",
        }
    }
}

/// Time per phase, and details, of one running probe. Every moment belongs to exactly one phase.
#[derive(Debug)]
pub struct Timings(RefCell<Recording>);

#[derive(Debug)]
struct Recording {
    started: Instant,
    phase: Phase,
    phase_started: Instant,
    reads_files: bool,
    /// Start of the current wait that is not part of the response time.
    paused_at: Option<Instant>,
    /// Total of the waits that are not part of the response time.
    paused: Duration,
    phases: Phases,
    http_status: Option<u16>,
    details: ProbeDetails,
    report: Option<Box<ProbeReport>>,
    server: Option<String>,
    lookup: Option<String>,
    secret: Option<String>,
}

/// What a finished probe recorded.
#[derive(Debug)]
pub struct Recorded {
    pub last_phase: Phase,
    /// The probe ended while it read files of this machine.
    pub reads_files: bool,
    /// The probe ended while it waited for a registry.
    pub is_paused: bool,
    /// Total of the waits that are not part of the response time.
    pub paused: Duration,
    pub phases: Phases,
    pub http_status: Option<u16>,
    pub details: ProbeDetails,
    pub report: Option<Box<ProbeReport>>,
    /// The server that the probe was dealing with at its end, when it was not the target.
    pub server: Option<String>,
    /// The name that was looked up last, when it is not that of the service's URL.
    pub lookup: Option<String>,
    /// A secret that was sent and is not in the service's options.
    pub secret: Option<String>,
}

impl Timings {
    /// A probe that begins to resolve at `now`.
    pub fn new(now: Instant, reports: bool) -> Self {
        Self(RefCell::new(Recording {
            started: now,
            phase: Phase::Resolve,
            phase_started: now,
            reads_files: false,
            paused_at: None,
            paused: Duration::ZERO,
            phases: Phases::default(),
            http_status: None,
            details: ProbeDetails::default(),
            report: reports.then(Box::default),
            server: None,
            lookup: None,
            secret: None,
        }))
    }

    /// Start of the probe.
    pub fn started(&self) -> Instant {
        self.0.borrow().started
    }

    /// Ends the current phase and begins `phase` at `now`.
    pub fn enter(&self, phase: Phase, now: Instant) {
        let mut recording = self.0.borrow_mut();
        recording.add_elapsed(now);
        recording.phase = phase;
    }

    /// Marks the time for which the probe reads files of this machine.
    pub fn set_reads_files(&self, reads_files: bool) {
        self.0.borrow_mut().reads_files = reads_files;
    }

    /// Begins a wait that is not part of the response time.
    pub fn pause(&self, now: Instant) {
        let mut recording = self.0.borrow_mut();
        recording.add_elapsed(now);
        recording.paused_at = Some(now);
    }

    /// Ends the wait.
    pub fn resume(&self, now: Instant) {
        let mut recording = self.0.borrow_mut();
        recording.end_pause(now);
        recording.phase_started = now;
    }

    pub fn set_http_status(&self, status: u16) {
        self.0.borrow_mut().http_status = Some(status);
    }

    pub fn http_status(&self) -> Option<u16> {
        self.0.borrow().http_status
    }

    /// Sets the server that the probe deals with, `None` for the target; returns the one before.
    pub fn set_server(&self, server: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.0.borrow_mut().server, server)
    }

    /// Sets the name that is looked up, `None` for that of the service's URL.
    pub fn set_lookup(&self, name: Option<String>) {
        self.0.borrow_mut().lookup = name;
    }

    /// Sets a secret that the target may repeat.
    pub fn set_secret(&self, secret: String) {
        self.0.borrow_mut().secret = Some(secret);
    }

    pub fn update_details(&self, update: impl FnOnce(&mut ProbeDetails)) {
        update(&mut self.0.borrow_mut().details);
    }

    /// Does nothing for a probe without a report.
    pub fn update_report(&self, update: impl FnOnce(&mut ProbeReport)) {
        if let Some(report) = &mut self.0.borrow_mut().report {
            update(report);
        }
    }

    /// The values that conditions compare, of a `response` that was complete at `now`.
    pub fn facts(
        &self,
        response: ProbeResponse,
        reads_json: bool,
        now: Instant,
        unix_ms: i64,
    ) -> Facts {
        let recording = self.0.borrow();
        let expires_at = recording.details.own_certificate_expires_at;
        Facts {
            connected: true,
            status: response.status,
            response_time: recording.phases.total() + now.duration_since(recording.phase_started),
            // Of the target, which a proxy hides.
            ip: recording
                .details
                .address
                .filter(|_| !recording.details.via_proxy)
                .map(|address| address.ip()),
            certificate_expires_in: expires_at.map(|at| time_until(at, unix_ms)),
            domain_expires_in: recording
                .details
                .domain_expires_at
                .map(|at| time_until(at, unix_ms)),
            dns_rcode: response.rcode,
            body: match response.json {
                Some(json) => Body::with_json(response.body, json),
                None => Body::new(response.body, reads_json).with_records(response.records),
            },
        }
    }

    /// Ends the probe at `now`.
    pub fn finish(self, now: Instant) -> Recorded {
        let mut recording = self.0.into_inner();
        let is_paused = recording.paused_at.is_some();
        if is_paused {
            recording.end_pause(now);
        } else {
            recording.add_elapsed(now);
        }
        let Recording { phase: last_phase, reads_files, paused, phases, .. } = recording;
        let Recording { http_status, details, report, server, lookup, secret, .. } = recording;
        Recorded {
            last_phase,
            reads_files,
            is_paused,
            paused,
            phases,
            http_status,
            details,
            report,
            server,
            lookup,
            secret,
        }
    }
}

/// The time from `unix_ms` to `unix_s`, which is in unix seconds; 0 when it has passed.
pub fn time_until(unix_s: i64, unix_ms: i64) -> Duration {
    let seconds = unix_s.saturating_sub(unix_ms / 1_000).max(0);
    Duration::from_secs(seconds.cast_unsigned())
}

impl Recording {
    fn end_pause(&mut self, now: Instant) {
        let paused_at = self.paused_at.take();
        self.paused += paused_at.map_or(Duration::ZERO, |at| now.duration_since(at));
    }

    /// Adds the time until `now` to the current phase.
    fn add_elapsed(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.phase_started);
        self.phase_started = now;
        let phases = &mut self.phases;
        let total = match self.phase {
            Phase::Resolve => &mut phases.resolve,
            Phase::Connect => &mut phases.connect,
            Phase::Tls => &mut phases.tls,
            Phase::Processing => &mut phases.processing,
            Phase::Transfer => &mut phases.transfer,
        };
        *total += elapsed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_to_the_response_time_over_redirects() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let timings = Timings::new(start, false);
        for (ms, phase) in [
            (1, Phase::Connect),
            (3, Phase::Processing),
            (10, Phase::Resolve),
            (11, Phase::Connect),
            (14, Phase::Tls),
            (20, Phase::Processing),
            (30, Phase::Transfer),
        ] {
            timings.enter(phase, at(ms));
        }
        let Recorded { last_phase, phases, .. } = timings.finish(at(31));
        let ms = |duration: Duration| duration.as_millis();
        assert_eq!((ms(phases.resolve), ms(phases.connect), ms(phases.tls)), (2, 5, 6));
        assert_eq!((ms(phases.processing), ms(phases.transfer)), (17, 1));
        assert_eq!(last_phase, Phase::Transfer);
        assert_eq!(phases.total(), Duration::from_millis(31));
    }

    #[test]
    fn a_wait_for_a_registry_is_in_no_phase() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for resumes in [true, false] {
            let timings = Timings::new(start, false);
            timings.enter(Phase::Transfer, at(5));
            timings.pause(at(8));
            if resumes {
                timings.resume(at(20));
            }
            let facts = timings.facts(ProbeResponse::default(), false, at(20), 0);
            let Recorded { phases, paused, is_paused, .. } = timings.finish(at(20));
            assert_eq!((is_paused, paused), (!resumes, Duration::from_millis(12)));
            assert_eq!(phases.total() + paused, Duration::from_millis(20));
            if resumes {
                assert_eq!(facts.response_time, Duration::from_millis(8));
            }
        }
    }
}
