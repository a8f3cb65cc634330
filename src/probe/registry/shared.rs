//! The look-ups of all probes of the process.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use crate::clock::unix_ms;
use crate::domain::Invalid;
use crate::probe::registry::cache::{Answer, Cache, DOMAINS_LIMIT, Flight};
use crate::probe::registry::client::Client;
use crate::probe::registry::lookup::{Servers, Settings};
use crate::probe::registry::mutex::locked;
use crate::probe::registry::news::RegistryNews;

/// Most look-ups at once.
const LOOKUPS_LIMIT: usize = 8;

/// Most probes that wait for the first look-up of their domain; others are judged without it.
const WAITING_LIMIT: usize = 128;

/// The answers of registries, and the look-ups under way.
#[derive(Debug)]
pub struct DomainRegistry {
    servers: Servers,
    cache: Mutex<Cache>,
    lookups: Semaphore,
    waiting: Semaphore,
}

impl DomainRegistry {
    /// The error is about the bootstrap file.
    pub fn new(settings: Settings) -> Result<Self, Invalid> {
        Ok(Self {
            servers: Servers::new(settings)?,
            cache: Mutex::new(Cache::new(DOMAINS_LIMIT)),
            lookups: Semaphore::new(LOOKUPS_LIMIT),
            waiting: Semaphore::new(WAITING_LIMIT),
        })
    }

    /// Starts a look-up of `domain` when one is due.
    pub fn prepare(self: &Arc<Self>, client: &Rc<Client>, domain: &str) {
        drop(self.status(client, domain));
    }

    /// The answer about `domain`. Without one, waits until `deadline` for the look-up under way.
    /// The error is the reason why there is none.
    pub async fn registration(
        self: &Arc<Self>,
        client: &Rc<Client>,
        domain: &str,
        deadline: Instant,
    ) -> Answer {
        let not_yet = || Err("its first look-up has not ended".to_owned());
        let mut flight = match self.status(client, domain) {
            (Some(answer), _) => return answer,
            (None, Some(flight)) => flight,
            (None, None) => return not_yet(),
        };
        let Ok(_waiting) = self.waiting.try_acquire() else { return not_yet() };
        // An error of the channel is the end of the look-up.
        let ended = tokio::time::timeout_at(deadline.into(), flight.changed()).await;
        if ended.is_err() {
            return not_yet();
        }
        self.status(client, domain).0.unwrap_or_else(not_yet)
    }

    /// The answer that holds, and the look-up under way, which is started when it is due.
    fn status(
        self: &Arc<Self>,
        client: &Rc<Client>,
        domain: &str,
    ) -> (Option<Answer>, Option<Flight>) {
        let status = locked(&self.cache).get(domain, Instant::now());
        if let Some(start) = status.start {
            self.start(client, domain, start);
        }
        (status.answer, status.flight)
    }

    fn start(self: &Arc<Self>, client: &Rc<Client>, domain: &str, start: watch::Sender<()>) {
        let (registry, client, domain) = (Arc::clone(self), Rc::clone(client), domain.to_owned());
        actix_rt::spawn(async move {
            // An error means that the semaphore is closed, which never happens.
            let _slot = registry.lookups.acquire().await;
            let result = registry.servers.look_up(&client, &domain).await;
            locked(&registry.cache).finish(&domain, &result, Instant::now(), unix_ms() / 1_000);
            // Wakes the probes that wait.
            drop(start);
        });
    }

    /// Counts and failures since the last call; `None` if there are none.
    pub fn take_news(&self) -> Option<RegistryNews> {
        self.servers.news.take()
    }
}
