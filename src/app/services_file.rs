//! The services file under the configuration of this process.

use std::fmt::Display;
use std::path::Path;

use serde_json::{Map, Value};
use url::Host;

use crate::alerting::Kind;
use crate::config::Config;
use crate::domain::alert::{ChannelOptions, KeyProblem};
use crate::domain::{Invalid, Origin, Requests, Target};
use crate::services_file;
use crate::services_file::{ChannelKinds, Content};

/// The keys of a canary in the services file.
const CANARY: &str = "connectivity: checker: target";

/// The kinds of channels that messages can be sent to.
struct Kinds;

impl ChannelKinds for Kinds {
    fn names(&self) -> Vec<&'static str> {
        Kind::all().map(|kind| kind.name).collect()
    }

    fn check(&self, kind: &str, options: &ChannelOptions) -> Vec<KeyProblem> {
        let kind = Kind::find(kind);
        kind.and_then(|kind| kind.check(options, Origin::File).err()).unwrap_or_default()
    }

    fn check_overrides(&self, kind: &str, keys: &Map<String, Value>) -> Vec<KeyProblem> {
        let kind = Kind::find(kind);
        kind.and_then(|kind| kind.check_overrides(keys, Origin::File).err()).unwrap_or_default()
    }
}

/// Reads the services file, whose entries run plugins only where they may, and checks its canaries
/// against the probe policy. With `SELF_CHECK_TARGETS`, they are not used.
pub fn read(config: &Config, file: &Path) -> Result<Content, Vec<String>> {
    let mut content = services_file::read(file, &config.variables, &Kinds)?;
    services_file::check_plugins(&content.entries, config.plugins.is_some())?;
    if !config.self_check.targets.is_empty() {
        for canary in std::mem::take(&mut content.canaries) {
            let advice = "not used: SELF_CHECK_TARGETS is set and takes precedence";
            content.notices.add(&canary.file, canary.line, CANARY, advice);
        }
    }
    let problems: Vec<String> = content
        .canaries
        .iter()
        .filter_map(|canary| {
            let problem = check_canary(config, &canary.target, CANARY).err()?;
            Some(format!("{}:{}: {problem}", canary.file.display(), canary.line))
        })
        .collect();
    if problems.is_empty() { Ok(content) } else { Err(problems) }
}

/// The canaries of the self-check: those of `SELF_CHECK_TARGETS`, otherwise those of the services
/// file. Without any, the gateway and the name servers are canaries.
pub fn canaries(config: &Config, content: Option<&Content>) -> Vec<Target> {
    let of_file = content.into_iter().flat_map(|content| &content.canaries);
    let of_file = of_file.map(|canary| canary.target.clone());
    config.self_check.targets.iter().cloned().chain(of_file).collect()
}

/// An error when the probe policy rejects the address of the canary, or a variable is not set.
pub fn check_canary(config: &Config, canary: &Target, field: &str) -> Result<(), String> {
    let invalid = |reason: &dyn Display| {
        let invalid =
            Invalid::new(canary.shown(Requests::Masked), "a target that probes may reach");
        invalid.because(reason).of(field)
    };
    let url = canary.url(&config.variables).map_err(|why| invalid(&why))?;
    let address = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    config.probing.policy.check(address).map_err(|why| invalid(&format_args!("{address} {why}")))
}
