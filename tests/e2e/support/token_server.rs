//! A token endpoint of OAuth 2.0.

use std::io;
use std::sync::{Arc, Mutex};

use super::wire::{Peer, Wire, read_until};
use super::{basic, has_line};

/// Issues `token-1`, `token-2` and so on to the client `id` with the secret `s3cret`.
pub struct TokenServer {
    peer: Peer,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

/// Where the client's credentials must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    Header,
    Form,
}

impl TokenServer {
    /// The tokens expire after `expires_in` seconds.
    pub fn start(credentials: Credentials, expires_in: u64) -> Self {
        let requests = Arc::<Mutex<Vec<(String, String)>>>::default();
        let (known, issued) = (Arc::clone(&requests), Mutex::new(0));
        let peer = Peer::tcp(move |wire| {
            let (head, form) = read_form(wire)?;
            known.lock().unwrap().push((head.clone(), form.clone()));
            let is_client = match credentials {
                Credentials::Header => has_line(&head, &basic("id:s3cret")),
                Credentials::Form => form.ends_with("&client_id=id&client_secret=s3cret"),
            };
            let (status, body) = if is_client && form.starts_with("grant_type=client_credentials") {
                let mut issued = issued.lock().unwrap();
                *issued += 1;
                let token = format!("token-{issued}");
                (
                    "200 OK",
                    format!("{{\"access_token\": \"{token}\", \"expires_in\": {expires_in}}}"),
                )
            } else {
                ("401 Unauthorized", "{\"error\": \"invalid_client\"}".to_owned())
            };
            let length = body.len();
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            wire.write_all(response.as_bytes())?;
            wire.flush()
        });
        Self { peer, requests }
    }

    pub fn url(&self) -> String {
        self.peer.url("http") + "/token"
    }

    pub fn port(&self) -> u16 {
        self.peer.port()
    }

    /// Head and form of each request so far.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_form(wire: &mut dyn Wire) -> io::Result<(String, String)> {
    let head = read_until(wire, b"\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    let mut form = vec![0; length.unwrap_or(0)];
    wire.read_exact(&mut form)?;
    Ok((head, String::from_utf8_lossy(&form).into_owned()))
}
