//! What the probes of one arbiter share.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::domain::service::options::NameServer;
use crate::domain::{Requests, Variables};
use crate::probe::exec::launcher::PluginRules;
use crate::probe::http::client;
use crate::probe::net::policy::Policy;
use crate::probe::net::resolve::Resolver;
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::tls::{TlsConfigs, Trust};
use crate::probe::registry::{Client, DomainRegistry};
use crate::probe::tokens::Tokens;

/// Most resolvers cached for the `resolver` option of services; beyond that, the cache is cleared.
const RESOLVERS_LIMIT: usize = 64;

/// Rules that apply to every probe.
#[derive(Clone)]
pub struct Rules {
    /// The certificate authorities that probes trust.
    pub trust: Trust,
    /// Which addresses probes may dial.
    pub policy: Policy,
    /// The values of variables in templates.
    pub variables: Variables,
    /// Whether details of failures show requests.
    pub requests: Requests,
    /// Whether the system's name servers work.
    pub resolver_health: Arc<ResolverHealth>,
    /// External checks; `None` without `PLUGINS_DIR`.
    pub plugins: Option<PluginRules>,
    /// When domains expire.
    pub domain_registry: Arc<DomainRegistry>,
    /// Tokens of OAuth 2.0.
    pub tokens: Arc<Tokens>,
}

/// Not `Send`: built inside its arbiter.
pub struct Resources {
    pub rules: Rules,
    pub tls: TlsConfigs,
    pub http_client: awc::Client,
    /// One body at a time is unpacked: each takes up to 16 MiB for the window of its coding.
    pub unpacking: Semaphore,
    system_resolver: Rc<Resolver>,
    registry_client: OnceCell<Rc<Client>>,
    /// Bound: [`RESOLVERS_LIMIT`].
    resolvers: RefCell<HashMap<NameServer, Rc<Resolver>>>,
}

impl Resources {
    pub fn new(rules: Rules) -> Self {
        Self {
            tls: TlsConfigs::new(rules.trust.clone()),
            http_client: client::new(),
            unpacking: Semaphore::new(1),
            system_resolver: Rc::new(Resolver::from_system(Arc::clone(&rules.resolver_health))),
            rules,
            registry_client: OnceCell::new(),
            resolvers: RefCell::default(),
        }
    }

    /// The client of domain registries, made at its first use.
    pub fn registry_client(&self) -> &Rc<Client> {
        self.registry_client.get_or_init(|| {
            let Rules { trust, policy, .. } = &self.rules;
            let resolver = Rc::clone(&self.system_resolver);
            let http = self.http_client.clone();
            Rc::new(Client::new(resolver, trust.clone(), http, policy.clone()))
        })
    }

    /// The resolver that queries only `server`, or the system's.
    pub fn resolver(&self, server: Option<NameServer>) -> Rc<Resolver> {
        let Some(server) = server else { return Rc::clone(&self.system_resolver) };
        let mut resolvers = self.resolvers.borrow_mut();
        if !resolvers.contains_key(&server) && resolvers.len() >= RESOLVERS_LIMIT {
            resolvers.clear();
        }
        let resolver =
            resolvers.entry(server).or_insert_with(|| Rc::new(Resolver::from_server(server)));
        Rc::clone(resolver)
    }
}
