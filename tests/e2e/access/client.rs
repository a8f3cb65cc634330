//! A client that chooses its own address, so that wrong tokens of one test do not throttle others.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::API_TOKEN;
use crate::support::{App, WAIT_LIMIT};

/// A response, as far as it was read.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The names in the list `key`, sorted.
    pub fn names(&self, key: &str, field: &str) -> Vec<String> {
        let body = self.json();
        let items = body["data"][key]["data"].as_array().unwrap_or_else(|| panic!("{self:?}"));
        let mut names: Vec<String> =
            items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// `name=value` of the cookie that the response sets.
    pub fn cookie(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        line.unwrap_or_else(|| panic!("{self:?}")).split(';').next().unwrap().to_owned()
    }
}

/// Requests to a running service.
pub struct Client<'a>(pub &'a App);

impl Client<'_> {
    /// A request from an address of its own, with `headers` as they are written.
    pub fn send(&self, method: &str, path: &str, headers: &[String], body: &str) -> Response {
        let mut connection = self.connect();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let json = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let (address, length) = (self.0.address(), body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{json}{headers}Content-Length: \
             {length}\r\nConnection: close\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let (head, rest) = read_head(&mut connection);
        let mut body = rest;
        // The body of a stream has no end.
        if !head.contains("text/event-stream") {
            connection.read_to_end(&mut body).unwrap();
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Response {
            status: status.unwrap_or_else(|| panic!("{head:?}")),
            body: String::from_utf8_lossy(&body).into_owned(),
            head: head.to_ascii_lowercase(),
        }
    }

    /// Of 127.0.0.0/8, and never the same one twice.
    fn connect(&self) -> TcpStream {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + nth);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
        let server: SocketAddr = self.0.address().parse().unwrap();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        socket.connect(&server.into()).unwrap();
        let connection = TcpStream::from(socket);
        connection.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
        connection
    }

    pub fn with_token(&self, token: &str, method: &str, path: &str, body: &str) -> Response {
        self.send(method, path, &[bearer(token)], body)
    }

    pub fn get(&self, token: &str, path: &str) -> Response {
        self.with_token(token, "GET", path, "")
    }

    /// Adds a service, and returns its id.
    pub fn add(&self, body: &Value) -> i64 {
        let reply = self.with_token(API_TOKEN, "POST", "/v1/services", &body.to_string());
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["data"]["service"]["data"]["id"].as_i64().unwrap()
    }

    /// Creates a token; returns its id and its text.
    pub fn create(&self, name: &str, scopes: &[&str], groups: Option<&[&str]>) -> (i64, String) {
        self.create_with(&json!({"name": name, "scopes": scopes, "groups": groups}))
    }

    pub fn create_with(&self, body: &Value) -> (i64, String) {
        let reply = self.with_token(API_TOKEN, "POST", "/v1/tokens", &body.to_string());
        assert_eq!(reply.status, 201, "{reply:?}");
        let token = &reply.json()["data"]["token"]["data"];
        (token["id"].as_i64().unwrap(), token["text"].as_str().unwrap().to_owned())
    }

    pub fn revoke(&self, id: i64) {
        let path = format!("/v1/tokens/{id}");
        assert_eq!(self.with_token(API_TOKEN, "DELETE", &path, "").status, 204);
    }
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The head of a response, and what was read after it.
fn read_head(connection: &mut TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = end {
            let rest = read.split_off(end + 4);
            return (String::from_utf8_lossy(&read).into_owned(), rest);
        }
        let count = connection.read(&mut part).unwrap();
        assert!(count > 0, "the response ended: {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&part[..count]);
    }
}
