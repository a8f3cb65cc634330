//! Applies the services file while the service runs: on SIGHUP, and when its content has changed.
//!
//! Of several instances, one applies its services, channels, policies and maintenance. Canaries and
//! the settings of alerting are in the memory of each, so each takes those of its own file over.

pub mod decision;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Addr, Recipient};
use slog::{Logger, error, info};
use tokio::signal::unix::Signal;

use crate::actors::messages::alerting::{OwnStateChanged, SetAlertingSettings};
use crate::actors::messages::recording::SetCanaries;
use crate::actors::messages::store::ApplyFile;
use crate::actors::recorder::Recorder;
use crate::actors::shared_timer::pause;
use crate::app::reload::decision::Changes;
use crate::app::services_file::{canaries, read};
use crate::app::startup::{log_applied, log_notices};
use crate::bounded_file::detached;
use crate::config::Config;
use crate::domain::alert::AlertKind;
use crate::domain::outcome::sanitize_detail;
use crate::services_file;
use crate::services_file::{FileError, Notices, Snapshot};
use crate::storage::coordination::Duty;
use crate::storage::coordination::owned::Duties;

/// Interval between checks of the file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The parts of the program to which the services file is applied.
pub struct Reload {
    pub config: Config,
    pub recorder: Addr<Recorder>,
    pub canaries: Recipient<SetCanaries>,
    pub dispatcher: Recipient<OwnStateChanged>,
    pub alerting: Recipient<SetAlertingSettings>,
    pub duties: Duties,
    /// The notices that were logged last.
    pub notices: Notices,
    /// The problems that were logged last: a rejected file is tried again.
    pub problems: Vec<String>,
    pub log: Logger,
}

/// The end of an attempt to apply the file.
enum Attempt {
    Applied,
    Rejected,
    /// The store failed, so the next attempt follows at once.
    NotStored,
}

impl Reload {
    /// Applies the services file on each `hangup`, and when its content differs from that of
    /// `applied`, for as long as the service runs. An invalid file is logged and changes nothing.
    /// Notices are logged when they differ from the last ones.
    pub async fn watch(mut self, mut hangup: Signal, applied: Snapshot) {
        let Some(file) = self.config.services.file.clone() else {
            while hangup.recv().await.is_some() {
                if self.config.api.tls.is_none() && self.config.modules.file.is_none() {
                    info!(self.log, "SIGHUP ignored: SERVICES_FILE is not set");
                }
            }
            return;
        };
        let mut changes = Changes::new(applied, Instant::now());
        let mut applies = self.duties.has(Duty::ServicesFile);
        loop {
            let mut is_requested = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(pause(CHECK_INTERVAL)) => false,
            };
            let applied_before =
                std::mem::replace(&mut applies, self.duties.has(Duty::ServicesFile));
            if is_requested && !applies {
                info!(self.log, "services file: another instance applies its own");
            }
            // The instance that applied its file has ended, and this one takes its place.
            is_requested |= applies && !applied_before;
            let path = file.clone();
            let Some(stats) = on_thread(move || services_file::stats(&path)).await else {
                continue;
            };
            let began = Instant::now();
            if !is_requested && !changes.must_read(&stats, began) {
                continue;
            }
            let path = file.clone();
            let Some(digest) = on_thread(move || services_file::digest(&path)).await else {
                continue;
            };
            let has_changed = changes.read(stats, digest, began.elapsed(), Instant::now());
            if is_requested {
                self.problems.clear();
            }
            if is_requested || has_changed {
                match self.apply(&file, applies).await {
                    Attempt::Applied => {
                        self.notify(None);
                        changes.applied(digest);
                    }
                    Attempt::Rejected => {
                        self.notify(Some(self.problems.join("; ")));
                        changes.rejected(digest, Instant::now());
                    }
                    Attempt::NotStored => {}
                }
            }
        }
    }

    /// `is_whole` is whether this instance applies more than what each has in memory.
    async fn apply(&mut self, file: &Path, is_whole: bool) -> Attempt {
        let (path, config) = (file.to_owned(), self.config.clone());
        let content = on_thread(move || read(&config, &path)).await;
        let no_thread = || Err(vec!["SERVICES_FILE: no thread could read it".to_owned()]);
        let content = match content.unwrap_or_else(no_thread) {
            Ok(content) => content,
            Err(problems) => {
                self.log_rejected(problems);
                return Attempt::Rejected;
            }
        };
        let settings = SetAlertingSettings(content.alerting.clone());
        let canaries = SetCanaries(canaries(&self.config, Some(&content)));
        if content.notices != self.notices {
            log_notices(&self.log, &content.notices);
            self.notices.clone_from(&content.notices);
        }
        if !is_whole {
            self.canaries.do_send(canaries);
            self.alerting.do_send(settings);
            self.problems.clear();
            return Attempt::Applied;
        }
        let content = Arc::new(content);
        match self.recorder.send(ApplyFile(Arc::clone(&content))).await {
            Ok(Ok(applied)) => {
                self.canaries.do_send(canaries);
                self.alerting.do_send(settings);
                log_applied(&self.log, file, &content, &applied);
            }
            Ok(Err(FileError::Refused(problems))) => {
                self.log_rejected(problems);
                return Attempt::Rejected;
            }
            Ok(Err(FileError::Store(error))) => {
                self.log_rejected(vec![error.to_string()]);
                return Attempt::NotStored;
            }
            // The recorder died, so the service stops.
            Err(_) => {}
        }
        self.problems.clear();
        Attempt::Applied
    }

    /// Tells the dispatcher whether the changed file was refused.
    fn notify(&self, detail: Option<String>) {
        let detail = detail.map(|problems| {
            let problems = sanitize_detail(problems);
            format!("the changed services file was refused: {problems}")
        });
        self.dispatcher.do_send(OwnStateChanged { kind: AlertKind::File, detail });
    }

    /// Logs problems that differ from the last ones.
    fn log_rejected(&mut self, problems: Vec<String>) {
        if problems == self.problems {
            return;
        }
        self.problems = problems;
        for problem in &self.problems {
            error!(self.log, "services file not applied; nothing was changed"; "error" => problem);
        }
    }
}

/// Runs `work` on a thread that the end of the process does not wait for, since the file may hang.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    detached(work).ok()?.await.ok()
}
