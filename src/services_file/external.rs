//! External endpoints: their results are pushed to the API.

use crate::domain::service::template::Variables;
use crate::services_file::entry::Entry;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;

/// Reads an external endpoint. `None` after a problem.
pub fn entry(item: &Item, _: &Variables, findings: &mut Findings) -> Option<Entry> {
    let advice = "not used: results cannot be pushed under the paths of Gatus yet; use push://";
    item.notice("name", advice, findings);
    None
}
