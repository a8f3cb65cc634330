//! Conditions on the expiry of a domain that no registry can have.

use url::Url;

use crate::domain::Definition;
use crate::domain::service::registrable::{host_of, registrable_domain};
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::field::CONDITIONS;

/// Adds a notice for such a condition. It is no problem, since Gatus loads it, and since a variable
/// may be the host.
pub fn check(item: &Item, definition: &Definition, url: &Url, findings: &mut Findings) {
    if !definition.conditions.iter().any(|condition| condition.needs_domain()) {
        return;
    }
    let kind = definition.target.kind();
    let host = host_of(kind, url, &definition.options).unwrap_or_default();
    if registrable_domain(host).is_none() {
        let advice = format!(
            "[DOMAIN_EXPIRATION]: {host:?} has no registered domain, so the service is unknown"
        );
        item.notice(CONDITIONS.file, &advice, findings);
    }
}
