//! Name resolution by the system's name servers, or by one that a service sets. Without a cache and
//! without a thread pool, so a hung look-up delays only its own probe.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::service::options::{IpFamily, NameServer};
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::net::lookup;
use crate::probe::net::name_server::{NameServerClient, QuerySettings};
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::system_resolver::SystemResolver;

/// Longest wait for an answer of a service's own name server before the query is repeated.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Repetitions of a query to a service's own name server.
const RETRIES: usize = 2;

pub struct Resolver(Source);

enum Source {
    System(SystemResolver),
    Server(Box<Result<NameServerClient, String>>),
}

impl Resolver {
    /// A resolver configured by `/etc/resolv.conf` and `/etc/hosts`.
    pub fn from_system(health: Arc<ResolverHealth>) -> Self {
        Self(Source::System(SystemResolver::new(health)))
    }

    /// A resolver that queries only `server`.
    pub fn from_server(server: NameServer) -> Self {
        let settings = QuerySettings {
            timeout: ATTEMPT_TIMEOUT,
            retries: RETRIES,
            over_tcp: server.over_tcp,
            edns: true,
        };
        Self(Source::Server(Box::new(NameServerClient::new(server.address, settings))))
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
                (lookup::race(family, |kind| server.addresses(query.clone(), kind)).await, false)
            }
        };
        found.map_err(|error| failure::of_dns(name, &error, is_system))
    }

    /// `failure` of a look-up since `began` by the system's name servers, as a local one if they
    /// answer nothing else either.
    pub async fn judge(&self, name: &str, began: Instant, failure: Failure) -> Failure {
        match &self.0 {
            Source::System(system) => system.judge(name, began, failure).await,
            Source::Server(_) => failure,
        }
    }
}

fn unavailable(why: &str) -> Failure {
    Failure::new(Reason::LocalResolver, format!("no resolver available: {why}"))
}
