//! Reads the certificate of the API again while the service runs.

use std::time::Duration;

use slog::{Logger, error, info};
use tokio::signal::unix::Signal;

use crate::api::{ApiCertificate, CurrentCertificate};
use crate::bounded_file::detached;
use crate::config::TlsFiles;
use crate::domain::time::timestamp;
use crate::metrics::Telemetry;

/// Interval between two looks at the files.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Replaces the certificate of the API when its files have changed.
pub struct CertificateWatch {
    pub files: TlsFiles,
    pub current: CurrentCertificate,
    pub telemetry: Telemetry,
    pub log: Logger,
}

impl CertificateWatch {
    /// Reads the files on each `hangup` and after each `interval`, for as long as the service runs.
    /// A pair that cannot be used is logged, and the old one stays.
    pub async fn run(self, mut hangup: Signal, interval: Duration) {
        self.count();
        let mut last_problem = None;
        loop {
            let is_requested = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(interval) => false,
            };
            let files = self.files.clone();
            // On a thread that the end of the process does not wait for, since a file may hang.
            let Ok(reading) = detached(move || ApiCertificate::load(&files)) else { continue };
            let Ok(read) = reading.await else { continue };
            match read {
                Ok(certificate) => {
                    last_problem = None;
                    self.replace(certificate);
                }
                Err(problem) if !is_requested && last_problem.as_ref() == Some(&problem) => {}
                Err(problem) => {
                    error!(self.log, "the certificate of the API was not replaced; \
                        the one before stays"; "error" => &problem);
                    last_problem = Some(problem);
                }
            }
        }
    }

    fn replace(&self, certificate: ApiCertificate) {
        if certificate.is_same(&self.current.get()) {
            return;
        }
        let expires_at = timestamp::to_rfc3339(certificate.expires_at.saturating_mul(1_000));
        self.current.replace(certificate);
        self.count();
        info!(self.log, "the certificate of the API was replaced"; "expires_at" => expires_at);
    }

    fn count(&self) {
        self.telemetry.api_certificate_expires_at(self.current.get().expires_at);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use slog::o;
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    fn write(files: &TlsFiles) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    }

    #[actix_web::test]
    async fn changed_files_are_noticed_without_a_signal_and_bad_ones_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        let files = TlsFiles { certificate: file("a.pem"), key: file("a.key") };
        write(&files);
        let first = ApiCertificate::load(&files).unwrap();
        let current = CurrentCertificate::new(first.clone());
        let watch = CertificateWatch {
            files: files.clone(),
            current: current.clone(),
            telemetry: Telemetry::new(),
            log: Logger::root(slog::Discard, o!()),
        };
        let hangup = signal(SignalKind::hangup()).unwrap();
        let watching = actix_web::rt::spawn(watch.run(hangup, Duration::from_millis(5)));
        fs::write(&files.key, "no key").unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(current.get().is_same(&first), "a bad pair");
        write(&files);
        while current.get().is_same(&first) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        watching.abort();
    }
}
