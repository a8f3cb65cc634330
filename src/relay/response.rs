//! What the answer of a receiver means.

use std::time::Duration;

/// What follows from an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has every sample of the request.
    Accepted,
    /// The receiver refuses what the request contains, now and later.
    Refused,
    /// To be sent again, not before the time that the receiver named.
    Failed { retry_after: Option<Duration> },
}

/// Judges an answer by its status. Only statuses about the content refuse it; every other one, such
/// as 401 and 404, is a matter of the configuration or of the receiver's state, and no reason to
/// lose samples. Source: Prometheus Remote-Write 1.0, "Retries & Backoff"; Thanos answers 409 for
/// samples that are out of order, Mimir 422.
pub fn judge(status: u16, retry_after: Option<Duration>) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        400 | 409 | 413 | 422 => Verdict::Refused,
        _ => Verdict::Failed { retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_content_is_final() {
        let failed = Verdict::Failed { retry_after: None };
        for (status, expected) in [
            (200, Verdict::Accepted),
            (204, Verdict::Accepted),
            (301, failed),
            (400, Verdict::Refused),
            (401, failed),
            (403, failed),
            (404, failed),
            (409, Verdict::Refused),
            (413, Verdict::Refused),
            (422, Verdict::Refused),
            (429, failed),
            (500, failed),
            (503, failed),
        ] {
            assert_eq!(judge(status, None), expected, "{status}");
        }
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(judge(429, retry_after), Verdict::Failed { retry_after });
    }
}
