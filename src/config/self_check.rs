//! Settings of the connectivity self-check.

use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::domain::service::target::{Kind, Target};

const TARGETS: Variable = Variable::optional(
    "SELF_CHECK_TARGETS",
    "URLs of services, except for dns, exec, udp and push, separated by commas",
    "canaries: while none of them responds, failures are unknown; by default the gateway and the \
     name servers",
)
.secret();
const SHARE: Variable = Variable::new(
    "SELF_CHECK_SHARE_PERCENT",
    "50",
    "a number from 1 to 100",
    "share of services that must fail together before the canaries decide",
);
const WINDOW: Variable = Variable::new(
    "SELF_CHECK_WINDOW_SECONDS",
    "3",
    "a number of seconds from 0 to 60",
    "how long a failure that may be local is held for the self-check; 0 holds none",
);

pub const SECTION: Section =
    Section { title: "Connectivity self-check", variables: &[TARGETS, SHARE, WINDOW] };

/// Settings of the connectivity self-check.
#[derive(Debug, Clone)]
pub struct SelfCheckConfig {
    /// Canaries; empty means the gateway and the name servers.
    pub targets: Vec<Target>,
    /// Share of services that must fail before the canaries decide, 0 to 1.
    pub share: f64,
    /// How long failures are held.
    pub window: Duration,
}

impl SelfCheckConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            targets: reader.optional(&TARGETS, canaries).unwrap_or_default(),
            share: f64::from(reader.number::<u8>(&SHARE, 1, 100)) / 100.0,
            window: reader.seconds(&WINDOW, 60.0),
        }
    }
}

/// Targets that need no further settings.
fn canaries(text: &str) -> Option<Vec<Target>> {
    let parse = |text: &str| Target::template(text.trim()).ok();
    let targets: Option<Vec<Target>> = text.split(',').map(parse).collect();
    const WITHOUT: [Kind; 4] = [Kind::Dns, Kind::Exec, Kind::Udp, Kind::Push];
    let is_valid = |target: &Target| !WITHOUT.contains(&target.kind());
    targets.filter(|targets| targets.iter().all(is_valid))
}
