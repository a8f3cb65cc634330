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

impl State {
    /// Whether the caller must read the file; others do not until `retry` has passed.
    fn begin(&mut self, now: Instant, retry: Duration) -> bool {
        let is_due = self.next_at.is_some_and(|next_at| next_at <= now);
        if is_due {
            self.next_at = Some(now + retry);
        }
        is_due
    }

    /// Takes what was read. The next time comes after `period`, or after the retry of
    /// [`State::begin`] when this file cannot be used.
    fn end(
        &mut self,
        read: Result<Vec<u8>, String>,
        now: Instant,
        period: Duration,
    ) -> Result<(), String> {
        self.current = Arc::new(read.and_then(|json| Bootstrap::parse(&json))?);
        self.next_at = Some(now + period);
        Ok(())
    }
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
        if !locked(&self.state).begin(Instant::now(), self.source.periods().1) {
            return (Arc::clone(&locked(&self.state).current), Ok(()));
        }
        let read = self.read_again(client).await;
        let mut state = locked(&self.state);
        let result = state.end(read, Instant::now(), self.source.periods().0);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_file_is_read_once_in_its_period_and_a_bad_one_leaves_the_former() {
        let json = |suffix: &str| {
            let services = format!(r#"{{"services": [[["{suffix}"], ["https://a.example/"]]]}}"#);
            Ok(services.into_bytes())
        };
        let start = Instant::now();
        let mut state = State { current: Bootstrap::embedded(), next_at: Some(start) };
        assert!(state.begin(start, MINUTE));
        assert!(!state.begin(start, MINUTE), "another look-up meanwhile");
        state.end(json("org"), start, MINUTE * 60).unwrap();
        assert_eq!(state.current.servers("a.org").len(), 1);
        assert!(!state.begin(start + MINUTE * 59, MINUTE));
        let later = start + MINUTE * 60;
        assert!(state.begin(later, MINUTE));
        for bad in [Err("refused".to_owned()), Ok(b"<html>".to_vec())] {
            assert!(state.end(bad, later, MINUTE * 60).is_err());
        }
        assert_eq!(state.current.servers("a.org").len(), 1, "the former file");
        assert!(!state.begin(later + MINUTE / 2, MINUTE));
        assert!(state.begin(later + MINUTE, MINUTE), "sooner after a failure");
    }

    #[test]
    fn the_embedded_file_is_never_read_again() {
        let file = BootstrapFile::new(BootstrapSource::Embedded).unwrap();
        let mut state = locked(&file.state);
        assert!(!state.begin(Instant::now() + MINUTE * 1_000_000, MINUTE));
    }
}
