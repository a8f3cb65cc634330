//! Applies the services file while the service runs: on SIGHUP, and when the file has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use slog::{Logger, error, info};
use tokio::signal::unix::Signal;

use crate::actors::messages::store::ApplyFile;
use crate::actors::recorder::Recorder;
use crate::app::startup::{log_applied, read_services};
use crate::bounded_file::detached;
use crate::config::Config;
use crate::services_file;
use crate::services_file::{FileError, Snapshot};

/// Interval between checks of the file. A change is applied when two checks find the same state, so
/// that a file is not read while it is written.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Applies the services file on each `hangup`, and when its state differs from `applied`, for as
/// long as the service runs. An invalid file is logged and changes nothing.
pub async fn watch(
    config: Config,
    recorder: Addr<Recorder>,
    mut hangup: Signal,
    mut applied: Snapshot,
    log: Logger,
) {
    let Some(file) = config.services.file.clone() else {
        while hangup.recv().await.is_some() {
            info!(log, "SIGHUP ignored: SERVICES_FILE is not set");
        }
        return;
    };
    let mut previous = applied.clone();
    loop {
        let is_requested = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(CHECK_INTERVAL) => false,
        };
        let path = file.clone();
        let Some(current) = on_thread(move || services_file::snapshot(&path)).await else {
            continue;
        };
        let has_settled = current == std::mem::replace(&mut previous, current.clone());
        let has_changed = has_settled && current != applied;
        if (is_requested || has_changed) && apply(&config, &file, &recorder, &log).await {
            applied = current;
        }
    }
}

/// False when the store did not apply the entries, so that the caller tries again.
async fn apply(config: &Config, file: &Path, recorder: &Addr<Recorder>, log: &Logger) -> bool {
    let (path, settings) = (file.to_owned(), config.clone());
    let entries = on_thread(move || read_services(&settings, &path)).await;
    let no_thread = || Err(vec!["SERVICES_FILE: no thread could read it".to_owned()]);
    let entries: Arc<[_]> = match entries.unwrap_or_else(no_thread) {
        Ok(entries) => entries.into(),
        Err(problems) => {
            log_rejected(log, &problems);
            return true;
        }
    };
    let count = entries.len();
    match recorder.send(ApplyFile(entries)).await {
        Ok(Ok(applied)) => log_applied(log, file, count, &applied),
        Ok(Err(FileError::Refused(problems))) => log_rejected(log, &problems),
        Ok(Err(FileError::Store(error))) => {
            log_rejected(log, &[error.to_string()]);
            return false;
        }
        // The recorder died, so the service stops.
        Err(_) => {}
    }
    true
}

/// Runs `work` on a thread that the end of the process does not wait for, since the file may hang.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    detached(work).ok()?.await.ok()
}

fn log_rejected(log: &Logger, problems: &[String]) {
    for problem in problems {
        error!(log, "services file not applied; nothing was changed"; "error" => problem);
    }
}
