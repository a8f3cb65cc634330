//! The expiry of the target's domain, as a fact of a probe.

use std::time::{Duration, Instant};

use crate::domain::service::registrable::{host_of, registrable_domain};
use crate::domain::{Condition, Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::registry::Registration;

/// Time between the end of a wait for a registry and the deadline of the probe.
const MARGIN: Duration = Duration::from_millis(100);

/// The domain that a condition of the service needs. Its look-up starts when one is due, so it runs
/// beside the probe.
pub fn prepare(context: &ProbeContext<'_>) -> Result<Option<String>, Failure> {
    if !context.service.conditions.iter().any(Condition::needs_domain) {
        return Ok(None);
    }
    let kind = context.service.target.kind();
    let host = host_of(kind, context.url, context.options()).unwrap_or_default();
    let domain = registrable_domain(host).ok_or_else(|| {
        let detail = format!("[DOMAIN_EXPIRATION]: {host} has no registered domain");
        Failure::new(Reason::LocalConfig, detail)
    })?;
    let resources = context.resources;
    resources.rules.domain_registry.prepare(resources.registry_client(), &domain);
    Ok(Some(domain))
}

/// Records when `domain` expires. Waits for its first look-up within the deadline of the probe; the
/// wait is not a part of the response time. The failure says why nothing is known.
pub async fn record(context: &ProbeContext<'_>, domain: &str) -> Result<(), Failure> {
    let deadline = context.timings.started() + context.service.timeout.get();
    let deadline = deadline.checked_sub(MARGIN).unwrap_or(deadline);
    let resources = context.resources;
    let registry = &resources.rules.domain_registry;
    context.timings.pause(Instant::now());
    let answer = registry.registration(resources.registry_client(), domain, deadline);
    let answer = Box::pin(answer).await;
    context.timings.resume(Instant::now());
    match answer {
        Ok(Registration::Expires(at)) => {
            context.update_details(|details| details.domain_expires_at = Some(at));
            Ok(())
        }
        Ok(Registration::Unregistered) => Ok(()),
        Ok(Registration::Unpublished) => {
            Err(unknown(domain, "its registry does not publish the date"))
        }
        Err(why) => Err(unknown(domain, &why)),
    }
}

/// The failure of a probe that ends before its registry answers.
pub fn unfinished() -> Failure {
    let detail = "the look-up of the domain's expiry has not ended";
    Failure::new(Reason::LocalRegistry, detail)
}

fn unknown(domain: &str, why: &str) -> Failure {
    let detail = format!("the expiry of {domain} is not known: {why}");
    Failure::new(Reason::LocalRegistry, detail)
}
