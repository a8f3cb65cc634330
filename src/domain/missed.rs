//! Why a slot was not probed.

/// Why a slot of a service was not probed. A missed slot is never a downtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missed {
    /// The previous probe of the service was still running.
    Busy,
    /// No prober became idle before the next slot of the service.
    Late,
    /// The probe queue was full.
    Full,
    /// The scheduler was late by whole slots: the process stalled.
    Skipped,
    /// The probe was cancelled to free its prober for queued probes: its target had not responded
    /// for a while, and too many running probes were like it.
    Preempted,
}

impl Missed {
    pub const ALL: [Self; 5] = [Self::Busy, Self::Late, Self::Full, Self::Skipped, Self::Preempted];

    /// Value of the label `reason`.
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
