//! The texts of `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::api::error::ApiError;
use crate::api::text::{SharedText, WeakText};
use crate::api::transport::Connections;
use crate::metrics::Format;

/// Most texts in memory, each about 1 KB for each service: the newest one, and older ones that
/// clients still take.
const MAX_TEXTS: usize = 3;

/// A scrape receives the text of another one that is at most this old.
const MAX_AGE: Duration = Duration::from_secs(1);

/// How long a scrape waits for the place of another text; clients that take nothing are closed
/// before.
const WAIT: Duration = Duration::from_secs(7);

/// Interval between checks for clients that take nothing, while a scrape waits.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Concurrent scrapes share one text. Bound: [`MAX_TEXTS`].
#[derive(Debug)]
pub struct Scrapes {
    texts: Arc<Semaphore>,
    plain: Newest,
    open_metrics: Newest,
    connections: Connections,
}

/// The newest text of a format and when its computation began. Locked during the computation.
type Newest = Mutex<Option<(Instant, WeakText)>>;

impl Scrapes {
    /// While too many texts are in memory, slow readers of `connections` are closed.
    pub fn new(connections: Connections) -> Self {
        Self {
            texts: Arc::new(Semaphore::new(MAX_TEXTS)),
            plain: Mutex::default(),
            open_metrics: Mutex::default(),
            connections,
        }
    }

    /// The text in `format`, at most [`MAX_AGE`] old. `compute` runs on a blocking thread.
    pub async fn text(
        &self,
        format: Format,
        compute: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static,
    ) -> Result<SharedText, ApiError> {
        let newest = match format {
            Format::Plain => &self.plain,
            Format::OpenMetrics => &self.open_metrics,
        };
        let mut newest = newest.lock().await;
        let current = newest.as_ref().filter(|(since, _)| since.elapsed() <= MAX_AGE);
        if let Some(text) = current.and_then(|(_, text)| text.upgrade()) {
            return Ok(text);
        }
        let since = Instant::now();
        let text = self.own_text(compute).await?;
        *newest = Some((since, text.downgrade()));
        Ok(text)
    }

    /// A text that no other scrape receives. `compute` runs on a blocking thread.
    pub async fn own_text(
        &self,
        compute: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static,
    ) -> Result<SharedText, ApiError> {
        let permit = self.permit().await?;
        let unavailable = |error: &dyn fmt::Display| ApiError::unavailable(vec![error.to_string()]);
        let text = web::block(compute).await.map_err(|error| unavailable(&error))?;
        Ok(SharedText::new(text.map_err(|error| unavailable(&error))?.into(), permit))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let deadline = Instant::now() + WAIT;
        loop {
            let permit = Arc::clone(&self.texts).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(CHECK_INTERVAL, permit).await {
                return Ok(permit);
            }
            if Instant::now() >= deadline {
                let message = "metrics: too many earlier responses are still being sent";
                return Err(ApiError::unavailable(vec![message.to_owned()]));
            }
            self.connections.close_slow_readers(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[actix_web::test]
    async fn concurrent_scrapes_share_one_text() {
        let scrapes = Scrapes::new(Connections::new(1, Duration::from_secs(30)));
        let computed = Arc::new(AtomicUsize::new(0));
        let scrape = async |format| {
            let computed = Arc::clone(&computed);
            let compute = move || Ok(computed.fetch_add(1, Ordering::SeqCst).to_string());
            scrapes.text(format, compute).await.unwrap().into_bytes()
        };
        let (first, second) = tokio::join!(scrape(Format::Plain), scrape(Format::Plain));
        assert_eq!(first.as_ptr(), second.as_ptr());
        let other = scrape(Format::OpenMetrics).await;
        assert_eq!(&*other, b"1");
        assert_eq!(scrapes.texts.available_permits(), MAX_TEXTS - 2);
        drop((first, second, other));
        assert_eq!(scrapes.texts.available_permits(), MAX_TEXTS, "memory is given back");
        assert_eq!(&*scrape(Format::Plain).await, b"2");
    }
}
