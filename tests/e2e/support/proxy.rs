//! An HTTP proxy on loopback: CONNECT, and requests in absolute form.

use std::io;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::{basic, has_line};

/// A proxy that resolves names below `test` to 127.0.0.1; stopped on drop.
pub struct Proxy {
    port: u16,
    scheme: &'static str,
    heads: Arc<Mutex<Vec<String>>>,
    _stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Settings {
    tls: Option<TlsAcceptor>,
    /// Required user and password.
    credentials: Option<String>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy for everybody.
    pub fn start() -> Self {
        Self::with(None, None)
    }

    /// A proxy that requires `user:password`.
    pub fn requiring(credentials: &str) -> Self {
        Self::with(None, Some(credentials.to_owned()))
    }

    /// A proxy that speaks TLS.
    pub fn over_tls(config: Arc<ServerConfig>) -> Self {
        Self::with(Some(config.into()), None)
    }

    fn with(tls: Option<TlsAcceptor>, credentials: Option<String>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let heads = Arc::default();
        let settings = Settings { tls, credentials, heads: Arc::clone(&heads) };
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let accept = accept(TcpListener::from_std(listener).unwrap(), settings);
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        });
        Self { port, scheme, heads, _stop: stop }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The heads of all requests to the proxy itself.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, settings: Settings) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let settings = settings.clone();
        tokio::spawn(async move {
            // A client may close the connection at any time.
            let _ = match &settings.tls {
                None => serve(client, &settings).await,
                Some(tls) => match tls.accept(client).await {
                    Ok(client) => serve(client, &settings).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

async fn serve<S>(mut client: S, settings: &Settings) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    settings.heads.lock().unwrap().push(head.clone());
    if let Some(credentials) = &settings.credentials
        && !has_line(&head, &format!("proxy-{}", basic(credentials)))
    {
        return refuse(client, "407 Proxy Authentication Required").await;
    }
    let (line, fields) = head.split_once("\r\n").unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else { return Err(io::Error::other(head)) };
    let is_tunnel = method == "CONNECT";
    let url = if is_tunnel { format!("http://{target}/") } else { target.to_owned() };
    let url = Url::parse(&url).map_err(io::Error::other)?;
    let host = url.host_str().unwrap_or_default();
    let host = if host.ends_with(".test") { "127.0.0.1" } else { host };
    let port = url.port_or_known_default().unwrap_or(80);
    let Ok(mut server) = TcpStream::connect((host, port)).await else {
        return refuse(client, "502 Bad Gateway").await;
    };
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n").await?;
    } else {
        let own = |field: &&str| !field.to_ascii_lowercase().starts_with("proxy-");
        let fields: Vec<&str> = fields.split("\r\n").filter(own).collect();
        let path = &url[url::Position::BeforePath..];
        let head = format!("{method} {path} {version}\r\n{}", fields.join("\r\n"));
        server.write_all(head.as_bytes()).await?;
    }
    client.flush().await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn refuse<S: AsyncWrite + Unpin>(mut client: S, status: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await?;
    client.shutdown().await
}
