//! Slots without a probe.

/// Why a slot of a service was not probed. Never a downtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missed {
    /// The service's last probe was still under way.
    Busy,
    /// No prober was free before the service's next slot.
    Late,
    /// The waiting line was full.
    Full,
    /// The scheduler itself was late by whole slots: the process stood still.
    Skipped,
    /// The probe was slow and cancelled to make room for queued probes.
    Preempted,
}

impl Missed {
    /// The label for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Full => "full",
            Self::Skipped => "skipped",
            Self::Preempted => "preempted",
        }
    }
}
