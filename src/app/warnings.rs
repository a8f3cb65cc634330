//! Warnings about a configuration that is valid and probably not meant.

use slog::{Logger, warn};

use crate::api::WriteAccess;
use crate::config::Config;
use crate::probe::Rules;

pub fn log_all(config: &Config, rules: &Rules, log: &Logger) {
    without_authorities(rules, log);
    of_open_families(rules, log);
    of_open_plugins(config, log);
    of_open_reads(config, log);
}

/// A deny list that forgets the other address family protects nothing.
fn of_open_families(rules: &Rules, log: &Logger) {
    for warning in rules.policy.warnings() {
        warn!(log, "PROBE_DENY_NETWORKS leaves the other address family open"; "why" => warning);
    }
}

/// Without a token, every program of this machine may write services.
fn of_open_plugins(config: &Config, log: &Logger) {
    if config.plugins.is_some() && WriteAccess::from_config(config) == WriteAccess::Loopback {
        warn!(
            log,
            "every program on this machine may run plugins as the user of this process; \
            set API_TOKEN"
        );
    }
}

/// Every machine that reaches the address may read.
fn of_open_reads(config: &Config, log: &Logger) {
    if config.api.reads_are_open() && !config.api.listens_on_loopback() {
        warn!(log, "reads need no token, and other machines reach this address; set API_READ=token";
            "address" => %config.api.host);
    }
}

/// Every probe of https is unknown then.
fn without_authorities(rules: &Rules, log: &Logger) {
    if rules.trust.authorities == 0 {
        warn!(
            log,
            "no certificate authority is known, so no https probe can tell up from down; \
            install ca-certificates or set PROBE_CA_FILE"
        );
    }
}
