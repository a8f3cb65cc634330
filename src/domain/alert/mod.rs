//! Alerts: what is reported to people, to which channels, and when. Pure.

pub mod alert_record;
pub mod burn_rate;
pub mod certificate;
pub mod channel;
pub mod engine;
pub mod kind;
pub mod marks;
pub mod message;
pub mod notification;
pub mod open_counts;
pub mod routing;
pub mod rule;
pub mod runs;
pub mod settings;
pub mod signal;
pub mod silence;

pub use alert_record::{Acknowledgement, Alert, AlertState, EndCause, Suppression};
pub use channel::{Channel, ChannelId, ChannelOptions, KeyProblem, Policy, PolicyOptions};
pub use kind::{AlertKind, Severity};
pub use marks::AlertMarks;
pub use message::{Message, MessageState};
pub use notification::{
    Attempt, Delivery, DeliveryOutcome, Notification, NotificationState, NotificationTerms,
    Settlement,
};
pub use routing::{Route, Watched};
pub use rule::{AlertRule, CERTIFICATE_DAYS, Degraded};
pub use runs::{Marks, Runs};
pub use signal::{Edge, Facts, Signal};
pub use silence::{Matcher, Silence};
