//! A service to monitor. Its values are valid by construction: each `parse` returns the value or
//! [`Invalid`](crate::domain::invalid::Invalid).

pub mod bytes_regex;
pub mod definition;
pub mod dns_question;
pub mod expectations;
pub mod interval;
pub mod label;
pub mod labels;
pub mod options;
pub mod placeholders;
pub mod registrable;
pub mod server_url;
pub mod service_id;
pub mod starttls;
pub mod target;
pub mod template;
pub mod thresholds;

pub use definition::{CONDITIONS_MAX, Defaults, Definition, Origin, Service};
pub use interval::{INTERVAL_RANGE_SECONDS, Interval, TIMEOUT_RANGE_SECONDS, Timeout};
pub use label::{FullName, Group, NAME_MAX_CHARS, Name};
pub use labels::Labels;
pub use options::{HttpVersion, Options};
pub use service_id::ServiceId;
pub use target::{Kind, Target, URL_MAX_CHARS};
pub use template::{Template, Variables};
pub use thresholds::Thresholds;
