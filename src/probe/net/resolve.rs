//! Name resolution by the system's name servers, or by one that a service sets. Without a cache and
//! without a thread pool, so a hung look-up delays only its own probe.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::domain::service::options::{IpFamily, NameServer};
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::net::lookup;
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::system_resolver::SystemResolver;

pub struct Resolver(Source);

enum Source {
    System(SystemResolver),
    Server(Box<Result<TokioResolver, String>>),
}

impl Resolver {
    /// A resolver configured by `/etc/resolv.conf` and `/etc/hosts`.
    pub fn from_system(health: Arc<ResolverHealth>) -> Self {
        Self(Source::System(SystemResolver::new(health)))
    }

    /// A resolver that queries only `server`.
    pub fn from_server(server: NameServer) -> Self {
        // TCP too, for responses that do not fit into UDP.
        let mut protocols = vec![ConnectionConfig::tcp()];
        if !server.over_tcp {
            protocols.insert(0, ConnectionConfig::udp());
        }
        for protocol in &mut protocols {
            protocol.port = server.address.port();
        }
        let server = NameServerConfig::new(server.address.ip(), true, protocols);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.cache_size = 0;
        options.num_concurrent_reqs = 1;
        Self(Source::Server(Box::new(builder.build().map_err(|error| error.to_string()))))
    }

    /// The addresses of `name`; never empty. The system's name servers share the time until
    /// `deadline`.
    pub async fn addresses(
        &self,
        name: &str,
        family: IpFamily,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Failure> {
        let (found, is_system) = match &self.0 {
            Source::System(system) => (system.addresses(name, family, deadline).await?, true),
            Source::Server(server) => {
                let server = server.as_ref().as_ref().map_err(|why| unavailable(why))?;
                let query = lookup::absolute(name)?;
                (
                    lookup::race(family, |kind| lookup::addresses(server, query.clone(), kind))
                        .await,
                    false,
                )
            }
        };
        found.map_err(|error| failure::of_dns(name, &error, is_system))
    }

    /// `failure` of a look-up by the system's name servers, as a local one if they answer nothing
    /// else either.
    pub async fn judge(&self, name: &str, failure: Failure) -> Failure {
        match &self.0 {
            Source::System(system) => system.judge(name, failure).await,
            Source::Server(_) => failure,
        }
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::new(Reason::LocalResolver, format!("no resolver available: {why}"))
}
