//! Applying the services file again while the service runs: on SIGHUP, and when the file has changed.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use slog::{Logger, error, info};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use crate::actors::messages::store::ApplyFile;
use crate::actors::recorder::Recorder;
use crate::app::startup::tell_applied;
use crate::config::Config;
use crate::services_file;
use crate::services_file::{FileError, Stamp};

/// How often the file is looked at for a change. A change is applied once it has stood for this long, so that a file is not
/// read while it is being written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Applies the services file whenever `hangup` or a change since `applied` asks for it, for as long as the service runs. What
/// cannot be applied is logged, and everything stays as it is.
pub async fn watch(
    config: Config,
    recorder: Addr<Recorder>,
    mut hangup: Signal,
    mut applied: Stamp,
    log: Logger,
) {
    let Some(file) = config.services_file.clone() else {
        while hangup.recv().await.is_some() {
            info!(log, "SIGHUP: there is no SERVICES_FILE to apply");
        }
        return;
    };
    let mut seen = applied.clone();
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let looked_at = file.clone();
        let Ok(now) = spawn_blocking(move || services_file::stamp(&looked_at)).await else {
            return;
        };
        let has_settled = now == std::mem::replace(&mut seen, now.clone());
        if (asked || (has_settled && now != applied)) && apply(&config, &recorder, &log).await {
            applied = now;
        }
    }
}

/// False when it is to be tried again: the store did not take it.
async fn apply(config: &Config, recorder: &Addr<Recorder>, log: &Logger) -> bool {
    let Some(file) = config.services_file.clone() else { return true };
    let (path, variables) = (file.clone(), config.variables.clone());
    let read = spawn_blocking(move || services_file::read(&path, &variables)).await;
    let refused = |problems: Vec<String>| {
        for problem in problems {
            error!(log, "services file not applied, everything stays as it is"; "error" => problem);
        }
    };
    let entries: Arc<[_]> = match read {
        Ok(Ok(entries)) => entries.into(),
        Ok(Err(problems)) => {
            refused(problems);
            return true;
        }
        Err(panicked) => {
            refused(vec![panicked.to_string()]);
            return true;
        }
    };
    let count = entries.len();
    match recorder.send(ApplyFile(entries)).await {
        Ok(Ok(applied)) => tell_applied(log, &file, count, &applied),
        Ok(Err(FileError::Refused(problems))) => refused(problems),
        Ok(Err(FileError::Store(why))) => {
            refused(vec![why.to_string()]);
            return false;
        }
        Err(_) => {}
    }
    true
}
