//! Reads the modules of `MODULES_FILE` again while the service runs: on SIGHUP, and when the
//! content has changed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use slog::{Logger, error, info};
use tokio::signal::unix::Signal;

use crate::actors::shared_timer::pause;
use crate::api::CurrentModules;
use crate::app::reload::decision::Changes;
use crate::bounded_file::detached;
use crate::modules::Modules;
use crate::services_file;
use crate::services_file::Snapshot;

/// Interval between checks of the file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The file, and where its modules are used.
pub struct ModulesWatch {
    pub file: PathBuf,
    pub current: CurrentModules,
    pub log: Logger,
}

impl ModulesWatch {
    /// Applies the file on each `hangup`, and when its content differs from that of `applied`, for
    /// as long as the service runs. An invalid file is logged and changes nothing.
    pub async fn run(self, mut hangup: Signal, applied: Snapshot) {
        let mut changes = Changes::new(applied, Instant::now());
        // A rejected file is tried again.
        let mut logged = Vec::new();
        loop {
            let is_requested = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(pause(CHECK_INTERVAL)) => false,
            };
            let file = self.file.clone();
            let Some(stats) = on_thread(move || services_file::stats(&file)).await else {
                continue;
            };
            let began = Instant::now();
            if !is_requested && !changes.must_read(&stats, began) {
                continue;
            }
            let file = self.file.clone();
            let Some(digest) = on_thread(move || services_file::digest(&file)).await else {
                continue;
            };
            let has_changed = changes.read(stats, digest, began.elapsed(), Instant::now());
            if is_requested {
                logged.clear();
            }
            if !is_requested && !has_changed {
                continue;
            }
            let file = self.file.clone();
            match on_thread(move || Modules::read(&file)).await {
                Some(Ok(modules)) => {
                    info!(self.log, "modules file applied"; "file" => %self.file.display(),
                        "modules" => modules.len());
                    self.current.replace(modules);
                    changes.applied(digest);
                    logged.clear();
                }
                Some(Err(problems)) => {
                    changes.rejected(digest, Instant::now());
                    if problems != logged {
                        for problem in &problems {
                            error!(self.log, "modules file not applied; nothing was changed";
                                "error" => problem);
                        }
                        logged = problems;
                    }
                }
                None => {}
            }
        }
    }
}

/// Runs `work` on a thread that the end of the process does not wait for, since the file may hang.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    detached(work).ok()?.await.ok()
}
