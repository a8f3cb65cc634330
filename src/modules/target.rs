//! From a module and a target to the definition of a service.

use std::sync::Arc;

use crate::domain::service::template::Template;
use crate::domain::{Definition, Invalid, Options, Target};
use crate::modules::client::without_port;
use crate::modules::{Module, Prober};

/// Why a target or a host name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// The target cannot be probed with the module.
    Target(Invalid),
    /// `hostname` differs from the header `Host` of the module.
    Hostname(String),
}

impl Module {
    /// The definition of the service with which `target` is probed. `hostname` is sent instead of
    /// the host of the target (http), and the certificate must be for it (http, tcp).
    pub fn definition(
        &self,
        target: &str,
        hostname: Option<&str>,
    ) -> Result<Definition, TargetError> {
        let url = self.url(target).map_err(TargetError::Target)?;
        let target = Target::parse(&url).map_err(TargetError::Target)?;
        let options = match hostname {
            Some(name) => self.with_host_name(name)?,
            None => Arc::clone(&self.template.options),
        };
        Ok(Definition { target, options, ..self.template.clone() })
    }

    /// The fields of the module, with its secrets, for a target that stands for another one.
    pub fn template(&self) -> &Definition {
        &self.template
    }

    fn url(&self, target: &str) -> Result<String, Invalid> {
        let has = |scheme: &str| target.starts_with(scheme);
        match self.prober {
            Prober::Http if has("http://") || has("https://") => Ok(target.to_owned()),
            Prober::Http => Ok(format!("http://{target}")),
            Prober::WebSocket if has("ws://") || has("wss://") => Ok(target.to_owned()),
            Prober::WebSocket => Err(Invalid::hidden("a URL that begins with ws:// or wss://")),
            Prober::Tcp => {
                let scheme = if self.is_secured { "tls" } else { "tcp" };
                let has_port = without_port(target) != target;
                let url = has_port.then(|| format!("{scheme}://{}", authority(target)));
                url.ok_or_else(|| Invalid::hidden("a host and a port, such as example.org:443"))
            }
            Prober::Icmp => Ok(format!("icmp://{}", authority(target))),
            Prober::Dns => Ok(format!("dns://{}", authority(target))),
            Prober::Grpc => {
                let scheme = if self.is_secured { "grpcs" } else { "grpc" };
                let bare = target.strip_prefix("http://").or(target.strip_prefix("https://"));
                let bare = bare.unwrap_or(target);
                let bare = bare.split('/').next().unwrap_or(bare);
                Ok(format!("{scheme}://{}", authority(bare)))
            }
        }
    }

    fn with_host_name(&self, name: &str) -> Result<Arc<Options>, TargetError> {
        let mut options = Options::clone(&self.template.options);
        match self.prober {
            Prober::Http => {
                let is_host = |(known, _): &&(String, Template)| known.eq_ignore_ascii_case("host");
                let own = options.headers.iter().find(is_host);
                let own = own.map(|(_, value)| value.as_literal().unwrap_or_default());
                if let Some(own) = own.filter(|own| own != name) {
                    return Err(TargetError::Hostname(own));
                }
                options.headers.retain(|(known, _)| !known.eq_ignore_ascii_case("host"));
                options.headers.push(("Host".to_owned(), Template::literal(name)));
            }
            Prober::Tcp => {}
            _ => return Ok(Arc::clone(&self.template.options)),
        }
        options.tls.server_name.get_or_insert_with(|| without_port(name).to_owned());
        Ok(Arc::new(options))
    }
}

/// A host, with a port or without; an address of IPv6 gets brackets.
fn authority(target: &str) -> String {
    match target.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => target.to_owned(),
    }
}
