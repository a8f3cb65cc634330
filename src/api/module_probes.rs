//! What `GET /probe` probes with: the modules, who may be a target, and how many probes run.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::domain::ServiceId;
use crate::modules::Modules;
use crate::probe::net::own_addresses::own_addresses;
use crate::probe::net::policy::Policy;
use crate::probe::net::targets::Targets;

/// Probes of targets that requests name take at most one slot of the pool in this many.
const POOL_SHARE: usize = 4;

/// The timeout of a probe whose module and whose request have none.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Time of a scrape that is left for the answer.
const SCRAPE_RESERVE_SECONDS: f64 = 0.5;

/// Shortest timeout.
const MIN_TIMEOUT_SECONDS: f64 = 0.001;

/// The modules of the file, as they were read last. Clones share them.
#[derive(Debug, Clone)]
pub struct CurrentModules(Arc<RwLock<Arc<Modules>>>);

impl CurrentModules {
    pub fn new(modules: Modules) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(modules))))
    }

    pub fn get(&self) -> Arc<Modules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the next request on.
    pub fn replace(&self, modules: Modules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(modules);
    }
}

/// Clones share everything.
#[derive(Debug, Clone)]
pub struct ModuleProbes {
    pub modules: CurrentModules,
    policy: Policy,
    targets: Option<Targets>,
    places: Arc<Semaphore>,
    next_id: Arc<AtomicI64>,
}

impl ModuleProbes {
    pub fn new(config: &Config, modules: CurrentModules) -> Self {
        let places = (config.probing.pool_size / POOL_SHARE).max(1);
        Self {
            modules,
            policy: config.probing.policy.clone(),
            targets: config.modules.targets.clone(),
            places: Arc::new(Semaphore::new(places)),
            next_id: Arc::new(AtomicI64::new(i64::MAX)),
        }
    }

    /// The place of a probe; `None` when all are taken.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// An id that no service has and no other probe had: the store counts from 1.
    pub fn id(&self) -> Option<ServiceId> {
        ServiceId::new(self.next_id.fetch_sub(1, Ordering::Relaxed))
    }

    /// Which addresses a probe may dial now.
    pub fn policy(&self) -> std::io::Result<Policy> {
        Ok(self.policy.for_guests(own_addresses()?, self.targets.clone()))
    }
}

/// The timeout of a probe: that of the module, and at most the time of the scrape without a
/// reserve. `None` for a text of the header `X-Prometheus-Scrape-Timeout-Seconds` that is none.
pub fn timeout(module: Option<Duration>, scrape: Option<&str>) -> Option<Duration> {
    let scrape = match scrape {
        None => None,
        Some(text) => Some(text.parse::<f64>().ok().filter(|it| it.is_finite() && *it > 0.0)?),
    };
    // A scrape of less than the reserve leaves half of its time.
    let most = scrape.map(|it| (it - SCRAPE_RESERVE_SECONDS).max(it / 2.0));
    let most = most.map(|it| Duration::from_secs_f64(it.clamp(MIN_TIMEOUT_SECONDS, 3_600.0)));
    Some(match (module, most) {
        (Some(module), Some(most)) => module.min(most),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => TIMEOUT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_that_of_the_module_within_that_of_the_scrape() {
        let seconds = Duration::from_secs_f64;
        for (module, scrape, expected) in [
            (None, None, 15.0),
            (Some(5.0), None, 5.0),
            (None, Some("10"), 9.5),
            (Some(5.0), Some("10"), 5.0),
            (Some(20.0), Some("10.25"), 9.75),
            (None, Some("0.5"), 0.25),
            (None, Some("0.8"), 0.4),
            (None, Some("1e9"), 3_600.0),
        ] {
            let found = timeout(module.map(seconds), scrape);
            assert_eq!(found, Some(seconds(expected)), "{module:?} {scrape:?}");
        }
        for invalid in ["", "x", "0", "-1", "NaN", "inf"] {
            assert_eq!(timeout(None, Some(invalid)), None, "{invalid}");
        }
    }

    #[test]
    fn a_quarter_of_the_pool_is_for_these_probes_and_ids_are_of_no_service() {
        let config = |size: &str| {
            let size = size.to_owned();
            let variable = move |name: &str| (name == "RUNNER_POOL_SIZE").then(|| size.clone());
            Config::from_lookup(variable).unwrap()
        };
        for (size, expected) in [("1", 1), ("7", 1), ("8", 2), ("1024", 256)] {
            let modules = CurrentModules::new(Modules::default());
            let probes = ModuleProbes::new(&config(size), modules);
            let places: Vec<_> = std::iter::from_fn(|| probes.place()).collect();
            assert_eq!(places.len(), expected, "{size}");
            drop(places);
            assert!(probes.place().is_some());
            let ids = [probes.id().unwrap(), probes.clone().id().unwrap()];
            assert_eq!(ids.map(ServiceId::get), [i64::MAX, i64::MAX - 1]);
        }
    }
}
