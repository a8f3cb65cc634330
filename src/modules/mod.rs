//! Modules of blackbox_exporter: how a target is probed that a request names.
//!
//! [`Modules::parse`] turns the text of a `blackbox.yml` into modules, and refuses what probes
//! cannot do, by line and field. [`Module::definition`] makes the definition of a service of a
//! module and a target.

mod block;
mod client;
mod draft;
mod http;
mod probers;
mod query_response;
mod read;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::bounded_file;
use crate::domain::Definition;

pub use target::TargetError;

/// Largest file, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The modules of a file, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Modules(BTreeMap<String, Module>);

impl Modules {
    /// Reads `file`. Blocks this thread. Errors: each with file and line.
    pub fn read(file: &Path) -> Result<Self, Vec<String>> {
        let text = bounded_file::read_text(file, MAX_BYTES)
            .map_err(|error| vec![format!("{}: {error}", file.display())])?;
        Self::parse(&file.display().to_string(), &text)
    }

    pub fn get(&self, name: &str) -> Option<&Module> {
        self.0.get(name)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The protocol of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prober {
    Http,
    Tcp,
    Icmp,
    Dns,
    Grpc,
    WebSocket,
}

/// What a module requires of the connection over which the response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRule {
    /// `fail_if_not_ssl`
    Required,
    /// `fail_if_ssl`
    Refused,
}

/// A way of probing targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    pub prober: Prober,
    /// `None` for that of the request.
    pub timeout: Option<Duration>,
    /// Of another target: that and its name are replaced.
    template: Definition,
    /// Whether the connection is TLS, where the target does not say so (tcp, grpc).
    is_secured: bool,
    pub tls_rule: Option<TlsRule>,
}
