//! The open streams: carries what [`subscribers`](super::subscribers) decides.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::actors::access_registry::AccessRegistry;
use crate::actors::messages::live::{OpenStream, StreamReply};
use crate::actors::open_alerts::OpenAlerts;
use crate::domain::access::Caller;
use crate::live::overview::Overview;
use crate::live::subscribers::{Subscriber, Texts};
use crate::metrics::Telemetry;

/// Bound: `limit` streams with one chunk each.
pub struct Streams {
    limit: usize,
    open: Vec<Stream>,
    is_closing: bool,
    access: AccessRegistry,
    alerts: OpenAlerts,
    telemetry: Telemetry,
}

struct Stream {
    subscriber: Subscriber,
    caller: Caller,
    /// Closed when the client has gone. Dropping it ends the response.
    chunks: mpsc::Sender<Bytes>,
}

impl Streams {
    pub fn new(
        limit: usize,
        (access, alerts): (AccessRegistry, OpenAlerts),
        telemetry: Telemetry,
    ) -> Self {
        Self { limit, open: Vec::new(), is_closing: false, access, alerts, telemetry }
    }

    /// Opens a stream and sends its first chunk.
    pub fn open(
        &mut self,
        open: OpenStream,
        overview: &Overview,
        now: Instant,
        now_ms: i64,
    ) -> StreamReply {
        if self.is_closing {
            return StreamReply::Closing;
        }
        self.open.retain(|stream| !stream.chunks.is_closed());
        if self.open.len() >= self.limit {
            self.telemetry.streams_refused.inc();
            return StreamReply::TooMany;
        }
        let OpenStream { view, since, caller, chunks } = open;
        let subscriber = Subscriber::new(view, since, now);
        let mut stream = Stream { subscriber, caller, chunks };
        if stream.send(overview, &mut Texts::new(self.alerts.get()), now, now_ms) {
            self.open.push(stream);
        }
        self.telemetry.streams.set(self.open.len() as i64);
        StreamReply::Opened
    }

    /// Sends to each stream what is due, and ends those that are over.
    pub fn flush(&mut self, overview: &Overview, now: Instant, now_ms: i64) {
        let mut texts = Texts::new(self.alerts.get());
        let telemetry = &self.telemetry;
        let admitted: Vec<bool> = {
            let access = self.access.lock();
            let callers = self.open.iter().map(|stream| &stream.caller);
            callers.map(|caller| access.still_admits(caller, now_ms)).collect()
        };
        let mut admitted = admitted.into_iter();
        self.open.retain_mut(|stream| {
            if admitted.next() != Some(true) {
                return false;
            }
            if stream.subscriber.is_slow(now) {
                telemetry.streams_cut.inc();
                return false;
            }
            !stream.subscriber.is_old(now) && stream.send(overview, &mut texts, now, now_ms)
        });
        self.telemetry.streams.set(self.open.len() as i64);
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Ends all streams; no other is opened.
    pub fn close(&mut self) {
        self.is_closing = true;
        self.open.clear();
        self.telemetry.streams.set(0);
    }
}

impl Stream {
    /// Sends the next chunk if there is room for one. Whether the stream stays open.
    fn send(&mut self, overview: &Overview, texts: &mut Texts, now: Instant, now_ms: i64) -> bool {
        match self.chunks.try_reserve() {
            Ok(room) => {
                if let Some(chunk) = self.subscriber.chunk(overview, texts, now, now_ms) {
                    room.send(chunk.into());
                }
                true
            }
            Err(TrySendError::Full(())) => {
                self.subscriber.blocked(now);
                true
            }
            Err(TrySendError::Closed(())) => false,
        }
    }
}
