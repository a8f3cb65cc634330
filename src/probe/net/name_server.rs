//! One name server, queried by hickory.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::{DnsUdpSocket, RuntimeProvider, TokioRuntimeProvider};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;

use crate::probe::net::edns::{SILENCE, with_fallback};
use crate::probe::net::lookup;

/// How a server is queried.
#[derive(Debug, Clone, Copy)]
pub struct QuerySettings {
    /// Of one attempt, repetitions of its packet included.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: usize,
    pub over_tcp: bool,
    pub edns: bool,
}

/// Queries one server. No cache; simultaneous queries for the same records share one.
pub struct NameServerClient {
    pub address: SocketAddr,
    with_edns: Option<Resolver<Transport>>,
    plain: Resolver<Transport>,
}

impl NameServerClient {
    pub fn new(address: SocketAddr, settings: QuerySettings) -> Result<Self, String> {
        let build = |edns| resolver(address, settings, edns);
        let with_edns = settings.edns.then(|| build(true)).transpose()?;
        Ok(Self { address, with_edns, plain: build(false)? })
    }

    /// The addresses in the records of `kind` of the absolute `name`; never empty.
    pub async fn addresses(&self, name: Name, kind: RecordType) -> Result<Vec<IpAddr>, NetError> {
        let plain = || lookup::addresses(&self.plain, name.clone(), kind);
        let Some(resolver) = &self.with_edns else { return plain().await };
        with_fallback(SILENCE, lookup::addresses(resolver, name.clone(), kind), plain).await
    }

    /// Any response that is not an error of the server.
    pub async fn query(&self, name: Name, kind: RecordType) -> Result<(), NetError> {
        let plain = || self.plain.lookup(name.clone(), kind);
        let response = match &self.with_edns {
            Some(resolver) => {
                with_fallback(SILENCE, resolver.lookup(name.clone(), kind), plain).await
            }
            None => plain().await,
        };
        response.map(drop)
    }
}

fn resolver(
    address: SocketAddr,
    settings: QuerySettings,
    edns: bool,
) -> Result<Resolver<Transport>, String> {
    // TCP too, for responses that do not fit into UDP.
    let mut protocols = vec![ConnectionConfig::tcp()];
    if !settings.over_tcp {
        protocols.insert(0, ConnectionConfig::udp());
    }
    // hickory ignores packets from another port.
    protocols.iter_mut().for_each(|protocol| protocol.port = address.port());
    let server = NameServerConfig::new(address.ip(), true, protocols);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let transport = Transport { runtime: TokioRuntimeProvider::default(), server: address };
    let mut builder = Resolver::builder_with_config(config, transport);
    let mut options = ResolverOpts::default();
    options.cache_size = 0;
    options.num_concurrent_reqs = 1;
    options.attempts = settings.retries;
    options.timeout = settings.timeout;
    options.edns0 = edns;
    options.use_hosts_file = ResolveHosts::Never;
    *builder.options_mut() = options;
    builder.build().map_err(|error| error.to_string())
}

/// Sockets connected to one address. hickory's own neither see that a UDP port is closed (ICMP),
/// nor keep the zone of a link-local address.
#[derive(Clone)]
struct Transport {
    runtime: TokioRuntimeProvider,
    server: SocketAddr,
}

type Boxed<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for Transport {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = ConnectedUdp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.runtime.create_handle()
    }

    fn connect_tcp(
        &self,
        _: SocketAddr,
        local: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Boxed<Self::Tcp> {
        self.runtime.connect_tcp(self.server, local, timeout)
    }

    fn bind_udp(&self, local: SocketAddr, _: SocketAddr) -> Boxed<ConnectedUdp> {
        let server = self.server;
        Box::pin(async move {
            let socket = UdpSocket::bind(local).await?;
            socket.connect(server).await?;
            Ok(ConnectedUdp::new(socket, server))
        })
    }
}

struct ConnectedUdp {
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    /// Ends with the error of the socket. tokio wakes no reader for it.
    failed: Mutex<Option<Boxed<()>>>,
}

impl ConnectedUdp {
    fn new(socket: UdpSocket, server: SocketAddr) -> Self {
        let socket = Arc::new(socket);
        let failing = Arc::clone(&socket);
        let failed = async move {
            failing.ready(Interest::ERROR).await?;
            failing.take_error()?.map_or(Ok(()), Err)
        };
        Self { socket, server, failed: Mutex::new(Some(Box::pin(failed))) }
    }

    fn poll_failed(&self, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pending) = failed.as_mut() else { return Poll::Pending };
        let ended = ready!(pending.as_mut().poll(context));
        *failed = None;
        ended.map_or_else(Poll::Ready, |()| Poll::Pending)
    }
}

impl DnsUdpSocket for ConnectedUdp {
    type Time = <TokioRuntimeProvider as RuntimeProvider>::Timer;

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        match self.socket.poll_recv(context, &mut buffer) {
            Poll::Ready(received) => {
                Poll::Ready(received.map(|()| (buffer.filled().len(), self.server)))
            }
            Poll::Pending => self.poll_failed(context).map(Err),
        }
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        packet: &[u8],
        _: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(context, packet)
    }
}
