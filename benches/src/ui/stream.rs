//! Readers of `GET /v1/stream`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use service_healthcheck::clock::unix_ms;

use crate::figures::Distribution;
use crate::program;

/// Path and query of the stream of the page at `path`.
pub fn of_page(api: &str, path: &str) -> String {
    let (_, html) = program::get(api, path).expect("the page");
    let value = |name: &str| {
        let (_, rest) = html.split_once(&format!("{name}=\"")).expect("the attribute");
        rest.split('"').next().unwrap_or_default().replace("&amp;", "&")
    };
    let (stream, since) = (value("data-stream"), value("data-since"));
    let separator = if stream.contains('?') { '&' } else { '?' };
    if since.is_empty() { stream } else { format!("{stream}{separator}since={since}") }
}

/// Open streams, each read by a thread; closed on drop.
pub struct Streams {
    readers: Vec<(TcpStream, Arc<AtomicU64>, JoinHandle<()>)>,
    seen_ms: Arc<Mutex<Vec<f64>>>,
}

impl Streams {
    pub fn open(api: &str, path: &str, count: usize) -> Self {
        let seen_ms = Arc::default();
        let readers = (0..count).map(|_| reader(api, path, Arc::clone(&seen_ms))).collect();
        Self { readers, seen_ms }
    }

    /// The greatest number of bytes that a reader received.
    pub fn most_bytes(&self) -> u64 {
        self.readers.iter().map(|(_, bytes, _)| bytes.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// From the beginning of each state until a reader had it, in milliseconds.
    pub fn seen_ms(&self) -> Distribution {
        let seen = self.seen_ms.lock().expect("no reader panics");
        Distribution::of(seen.iter().copied())
    }
}

fn reader(
    api: &str,
    path: &str,
    seen_ms: Arc<Mutex<Vec<f64>>>,
) -> (TcpStream, Arc<AtomicU64>, JoinHandle<()>) {
    let mut stream = TcpStream::connect(api).expect("a connection");
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {api}\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut lines = BufReader::new(stream.try_clone().expect("a descriptor"));
    let mut status = String::new();
    lines.read_line(&mut status).expect("a response");
    assert!(status.starts_with("HTTP/1.1 200"), "{path}: {status}");
    let (bytes, opened_ms) = (Arc::<AtomicU64>::default(), unix_ms());
    let count = Arc::clone(&bytes);
    let thread = std::thread::spawn(move || {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            count.fetch_add(line.len() as u64, Ordering::Relaxed);
            // States that began before the reader came are not counted.
            if let Some(since_ms) = since(&line).filter(|since_ms| *since_ms > opened_ms) {
                let took = (unix_ms() - since_ms) as f64;
                seen_ms.lock().expect("no reader panics").push(took);
            }
            line.clear();
        }
    });
    (stream, bytes, thread)
}

/// `since_ms` of a line of data.
fn since(line: &[u8]) -> Option<i64> {
    let data = line.strip_prefix(b"data:")?;
    let change: serde_json::Value = serde_json::from_slice(data).ok()?;
    change["since_ms"].as_i64()
}

impl Drop for Streams {
    fn drop(&mut self) {
        for (stream, _, thread) in self.readers.drain(..) {
            // The program may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
            let _ = thread.join();
        }
    }
}
