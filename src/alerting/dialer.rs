//! Connections to receivers: look-up, address policy, race of addresses and TLS, as for probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use url::Url;

use crate::domain::Failure;
use crate::domain::service::options::{IpFamily, TlsOptions};
use crate::probe::net::dial::{self, Dialled};
use crate::probe::net::policy::Policy;
use crate::probe::net::proxy::Proxy;
use crate::probe::net::resolve::Resolver;
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::tls::{Alpn, Files, TlsConfigs, Trust};
use crate::probe::net::tls_stream::{TlsStream, Transport};

/// Not `Send`: built inside its arbiter.
pub struct Dialer {
    policy: Policy,
    resolver: Resolver,
    tls: TlsConfigs,
}

/// A connection, and the address that it leads to: that of the proxy, if there is one.
pub struct Connected {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl Dialer {
    /// `policy` says which addresses may be connected to.
    pub fn new(policy: Policy, trust: Trust, health: Arc<ResolverHealth>) -> Self {
        Self { policy, resolver: Resolver::from_system(health), tls: TlsConfigs::new(trust) }
    }

    /// Connects to host and port of `url`, or through `proxy` to them. Name servers share the time
    /// until `deadline`.
    pub async fn connect(
        &self,
        url: &Url,
        proxy: Option<&Proxy>,
        deadline: Instant,
    ) -> Result<Connected, Failure> {
        let Some(proxy) = proxy else { return self.dial(url, deadline).await };
        dial::check_written(&self.policy, url)?;
        let tunnel = async {
            let mut connected = self.dial(&proxy.url, deadline).await?;
            proxy.request_tunnel(&mut connected.transport, url).await?;
            Ok(connected)
        };
        let name = proxy.name();
        tunnel.await.map_err(|failure: Failure| {
            Failure::new(failure.reason, format!("{name}: {}", failure.detail))
        })
    }

    async fn dial(&self, url: &Url, deadline: Instant) -> Result<Connected, Failure> {
        let found = dial::resolve(&self.resolver, url, IpFamily::Any, deadline).await?;
        let addresses = dial::filter_allowed(&self.policy, None, found)?;
        let Dialled { stream, peer, .. } = dial::connect(&addresses).await?;
        Ok(Connected { transport: stream.into(), address: peer })
    }

    /// Does the TLS handshake with the host of `url`.
    pub async fn handshake(
        &self,
        url: &Url,
        options: &TlsOptions,
        alpn: Alpn,
        transport: Transport,
    ) -> Result<TlsStream, Failure> {
        let files = Files::read_async(options).await;
        self.tls.handshake(options, &files, alpn, url, transport).await?.result
    }
}
