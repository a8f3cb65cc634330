//! The bootstrap file in use, and when it is read again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use url::Url;

use crate::bounded_file;
use crate::domain::Invalid;
use crate::probe::registry::bootstrap::Bootstrap;
use crate::probe::registry::client::{Client, HttpAnswer};
use crate::probe::registry::mutex::locked;

/// Largest bootstrap file, in bytes.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// Where the bootstrap file of RDAP comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapSource {
    /// The file within the program.
    Embedded,
    /// Read again for a look-up, at most every minute.
    File(PathBuf),
    /// Fetched for a look-up, at most once a day, and after a failure at most once an hour.
    Url(Url),
}

impl BootstrapSource {
    /// Shortest time between two reads of the file; the second one after a failure.
    fn periods(&self) -> (Duration, Duration) {
        match self {
            Self::Embedded => (Duration::MAX, Duration::MAX),
            Self::File(_) => (Duration::from_secs(60), Duration::from_secs(60)),
            Self::Url(_) => (Duration::from_secs(24 * 3_600), Duration::from_secs(3_600)),
        }
    }
}

/// The newest bootstrap file.
#[derive(Debug)]
pub struct BootstrapFile {
    source: BootstrapSource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<Bootstrap>,
    /// When the file is read again; `None` for never.
    next_at: Option<Instant>,
}

impl BootstrapFile {
    /// Reads a file, and fetches nothing. The error is about the file.
    pub fn new(source: BootstrapSource) -> Result<Self, Invalid> {
        let (current, next_at) = match &source {
            BootstrapSource::Embedded => (Bootstrap::embedded(), None),
            BootstrapSource::File(file) => {
                (Arc::new(read(file)?), Some(Instant::now() + source.periods().0))
            }
            BootstrapSource::Url(_) => (Bootstrap::embedded(), Some(Instant::now())),
        };
        Ok(Self { source, state: Mutex::new(State { current, next_at }) })
    }

    /// The newest file. The error says why it could not be read; the former one is used then.
    pub async fn current(&self, client: &Client) -> (Arc<Bootstrap>, Result<(), String>) {
        let (period, after_failure) = self.source.periods();
        {
            let (mut state, now) = (locked(&self.state), Instant::now());
            match state.next_at {
                Some(next_at) if next_at <= now => state.next_at = Some(now + after_failure),
                _ => return (Arc::clone(&state.current), Ok(())),
            }
        }
        let parsed = self.read_again(client).await.and_then(|json| Bootstrap::parse(&json));
        let mut state = locked(&self.state);
        let result = parsed.map(|bootstrap| {
            state.current = Arc::new(bootstrap);
            state.next_at = Some(Instant::now() + period);
        });
        (Arc::clone(&state.current), result)
    }

    async fn read_again(&self, client: &Client) -> Result<Vec<u8>, String> {
        match &self.source {
            BootstrapSource::Embedded => Err("the file in the program does not change".to_owned()),
            BootstrapSource::File(file) => {
                let read = bounded_file::read_async(file.clone(), FILE_LIMIT).await;
                read.map_err(|error| error.to_string())
            }
            BootstrapSource::Url(url) => match client.get(url, FILE_LIMIT).await? {
                HttpAnswer { status: 200, body, .. } => Ok(body),
                HttpAnswer { status, .. } => Err(format!("status {status}")),
            },
        }
    }
}

fn read(file: &Path) -> Result<Bootstrap, Invalid> {
    let read = bounded_file::read(file, FILE_LIMIT).map_err(|error| error.to_string());
    read.and_then(|json| Bootstrap::parse(&json))
        .map_err(|why| Invalid::quoted(file, "a bootstrap file of RDAP (RFC 9224)").because(why))
}
