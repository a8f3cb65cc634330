//! The open connections of the API.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::api::transport::places::{PLACE_WAIT, Progress, SLOW_CLIENT, to_preempt, to_replace};
use crate::config::RESERVED_CONNECTIONS;

/// Connections beyond the limit that stay open. The others of [`RESERVED_CONNECTIONS`] are new or
/// about to close.
const RESERVE: usize = RESERVED_CONNECTIONS / 4;

/// Every open connection; clones share it. Bounds: `max_connections` with a place, and
/// [`RESERVED_CONNECTIONS`] more in all.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_connections: usize,
    client_timeout: Duration,
    open: Mutex<Open>,
    /// Wakes requests that wait for a place.
    released: Notify,
    /// There are more connections than places.
    crowded: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    places: usize,
    by_id: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    progress: Progress,
    handle: Arc<Handle>,
}

/// Lets another thread close a connection.
#[derive(Debug, Default)]
struct Handle {
    is_closed: AtomicBool,
    waker: AtomicWaker,
}

impl Handle {
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

impl Connections {
    /// `client_timeout` is the longest time for which a client may take no byte of a response.
    pub fn new(max_connections: usize, client_timeout: Duration) -> Self {
        Self(Arc::new(Shared {
            max_connections,
            client_timeout,
            open: Mutex::default(),
            released: Notify::new(),
            crowded: Notify::new(),
        }))
    }

    pub fn client_timeout(&self) -> Duration {
        self.0.client_timeout
    }

    /// Adds a connection. The caller bounds their number by [`RESERVED_CONNECTIONS`] beyond the
    /// limit; a part of those makes room by [`make_room`](Self::make_room).
    pub fn admit(&self, now: Instant) -> Connection {
        self.make_room(now);
        let mut open = self.open();
        let id = open.next_id;
        open.next_id += 1;
        let handle = Arc::<Handle>::default();
        let entry = Entry { progress: Progress::new(now), handle: Arc::clone(&handle) };
        open.by_id.insert(id, entry);
        if open.by_id.len() > self.0.max_connections {
            self.0.crowded.notify_one();
        }
        Connection { connections: self.clone(), id, handle }
    }

    /// Closes connections that wait for slow clients when there are more than [`RESERVE`] beyond
    /// the limit.
    fn make_room(&self, now: Instant) {
        let open = self.open();
        let count = open.all().count();
        let Some(excess) = count.checked_sub(self.0.max_connections + RESERVE) else { return };
        for replaced in to_replace(open.all(), excess + 1, now) {
            if let Some(entry) = open.by_id.get(&replaced) {
                entry.handle.close();
            }
        }
    }

    /// Makes room again and again, since no new connection may arrive while there is none.
    pub async fn keep_room(self) {
        loop {
            let count = self.open().by_id.len();
            if count <= self.0.max_connections {
                self.0.crowded.notified().await;
            }
            tokio::time::sleep(SLOW_CLIENT / 2).await;
            self.make_room(Instant::now());
        }
    }

    /// Closes every connection whose client has taken nothing for a while, to give its memory back.
    pub fn close_slow_readers(&self, now: Instant) {
        for entry in self.open().by_id.values() {
            if entry.progress.is_slow_reader(now) {
                entry.handle.close();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Every connection that is not about to close.
    fn all(&self) -> impl Iterator<Item = (u64, Progress)> {
        let open = self.by_id.iter().filter(|(_, entry)| !entry.handle.is_closed());
        open.map(|(&id, entry)| (id, entry.progress))
    }
}

/// One open connection. Dropping it removes the connection.
#[derive(Debug)]
pub struct Connection {
    connections: Connections,
    id: u64,
    handle: Arc<Handle>,
}

impl Connection {
    /// Whether the connection must close in favour of another one.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Keeps a connection that had to close because its client had sent nothing: meanwhile it has.
    pub fn keep_open(&self) {
        self.handle.is_closed.store(false, Ordering::SeqCst);
    }

    /// Wakes the task of `context` when the connection must close or a request ends.
    pub fn register(&self, context: &Context<'_>) {
        self.handle.waker.register(context.waker());
    }

    /// Waits until the connection must close.
    pub async fn closed(&self) {
        poll_fn(|context| {
            self.register(context);
            if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub fn progress(&self) -> Progress {
        let open = self.connections.open();
        open.by_id.get(&self.id).map_or(Progress::new(Instant::now()), |entry| entry.progress)
    }

    pub fn client_timeout(&self) -> Duration {
        self.connections.client_timeout()
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(entry) = self.connections.open().by_id.get_mut(&self.id) {
            change(&mut entry.progress);
        }
    }

    /// The client took bytes, or there are none to take.
    pub fn unblocked(&self) {
        self.update(|progress| progress.blocked_since = None);
    }

    /// The client takes no more bytes. Returns since when.
    pub fn blocked(&self, now: Instant) -> Instant {
        let mut since = now;
        self.update(|progress| since = *progress.blocked_since.get_or_insert(now));
        since
    }

    /// A request begins.
    pub fn begin_request(self: &Arc<Self>) -> OpenRequest {
        self.update(|progress| progress.open_requests += 1);
        OpenRequest(Arc::clone(self))
    }

    /// The request ends when its client closes the connection: its response is a stream, or takes
    /// long to compute.
    pub fn watch_client(&self) {
        self.update(|progress| progress.is_watched = true);
        self.wake();
    }

    /// Takes a place for a request, if necessary that of a slow reader. False when no place became
    /// free within [`PLACE_WAIT`].
    pub async fn take_place(&self) -> bool {
        let deadline = tokio::time::Instant::now() + PLACE_WAIT;
        loop {
            // Created before the check, so that no release in between is missed.
            let released = self.connections.0.released.notified();
            if self.try_take_place(Instant::now()) {
                return true;
            }
            if tokio::time::timeout_at(deadline, released).await.is_err() {
                return self.try_take_place(Instant::now());
            }
        }
    }

    fn try_take_place(&self, now: Instant) -> bool {
        let limit = self.connections.0.max_connections;
        let mut guard = self.connections.open();
        let open = &mut *guard;
        match open.by_id.get_mut(&self.id) {
            None => return false,
            Some(entry) if entry.progress.has_place => return true,
            Some(_) => {}
        }
        if open.places >= limit {
            let Some(preempted) = to_preempt(open.all(), now) else { return false };
            if let Some(entry) = open.by_id.get_mut(&preempted) {
                entry.progress.has_place = false;
                entry.handle.close();
                open.places -= 1;
            }
        }
        if let Some(entry) = open.by_id.get_mut(&self.id) {
            entry.progress.has_place = true;
            open.places += 1;
        }
        true
    }

    /// Marks the time for which a handler reads the body of a request. The request has no place
    /// until it takes one again.
    pub fn reading_body(self: &Arc<Self>, now: Instant) -> ReadingBody {
        self.update(|progress| progress.body_since = Some(now));
        self.release_place(&mut self.connections.open());
        self.wake();
        ReadingBody(Arc::clone(self))
    }

    fn wake(&self) {
        if let Some(waker) = self.handle.waker.take() {
            Waker::wake(waker);
        }
    }

    fn release_place(&self, open: &mut Open) {
        let Some(entry) = open.by_id.get_mut(&self.id) else { return };
        if std::mem::take(&mut entry.progress.has_place) {
            open.places -= 1;
            self.connections.0.released.notify_waiters();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        self.release_place(&mut open);
        open.by_id.remove(&self.id);
    }
}

/// A request whose response is not finished. Dropping it finishes the response.
#[derive(Debug)]
pub struct OpenRequest(Arc<Connection>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let connection = &self.0;
        let mut open = connection.connections.open();
        let Some(entry) = open.by_id.get_mut(&connection.id) else { return };
        entry.progress.is_served = true;
        entry.progress.is_watched = false;
        entry.progress.open_requests -= 1;
        entry.progress.idle_since = Instant::now();
        if entry.progress.open_requests == 0 {
            connection.release_place(&mut open);
        }
        drop(open);
        connection.wake();
    }
}

/// A handler reads the body of a request.
#[derive(Debug)]
pub struct ReadingBody(Arc<Connection>);

impl Drop for ReadingBody {
    fn drop(&mut self) {
        self.0.update(|progress| progress.body_since = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections: &Connections) -> Arc<Connection> {
        Arc::new(connections.admit(Instant::now()))
    }

    #[actix_web::test]
    async fn places_are_bounded_and_given_back() {
        let connections = Connections::new(2, Duration::from_secs(30));
        let [first, second, third] = [(); 3].map(|()| open(&connections));
        let requests = [first.begin_request(), second.begin_request()];
        assert!(first.take_place().await && second.take_place().await);
        let waiting = third.begin_request();
        assert!(!third.take_place().await, "both places are taken");
        drop(requests);
        assert!(third.take_place().await);
        drop(waiting);
        assert_eq!(connections.open().places, 0);
        drop((first, second, third));
        assert!(connections.open().by_id.is_empty());
    }

    #[actix_web::test]
    async fn a_body_has_no_place_until_it_is_complete() {
        let connections = Connections::new(1, Duration::from_secs(30));
        let (slow, other) = (open(&connections), open(&connections));
        let _request = slow.begin_request();
        assert!(slow.take_place().await);
        let reading = slow.reading_body(Instant::now());
        let other_request = other.begin_request();
        assert!(other.take_place().await, "the place is free");
        drop(reading);
        assert!(!slow.take_place().await);
        drop(other_request);
        assert!(slow.take_place().await && !slow.is_closed());
    }

    #[test]
    fn slow_clients_make_room_and_open_requests_stay() {
        let connections = Connections::new(1, Duration::from_secs(30));
        let long_ago = Instant::now() - SLOW_CLIENT;
        let busy = open(&connections);
        let _request = busy.begin_request();
        let admit = || Arc::new(connections.admit(long_ago));
        let slow: Vec<_> = (0..RESERVE).map(|_| admit()).collect();
        let _body_request = slow[0].begin_request();
        let _body = slow[0].reading_body(long_ago);
        assert!(slow.iter().all(|connection| !connection.is_closed()), "there is room");
        let new = open(&connections);
        assert!(slow.iter().all(|connection| connection.is_closed()));
        assert!(!busy.is_closed() && !new.is_closed());
    }
}
