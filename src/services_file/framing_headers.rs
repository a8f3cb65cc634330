//! Request headers that cannot be set: the probe frames its requests itself.

use serde_json::{Map, Value};

use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec;
use crate::spec::field::HEADERS;

const ADVICE: &str = "left out: the probe frames its requests itself, so it decides about this \
     header";

/// Leaves out the headers that frame a request, with a notice for each.
pub fn leave_out(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let Some(Value::Object(headers)) = object.get_mut(HEADERS.file) else { return };
    headers.retain(|name, value| {
        let stays = !spec::is_framing_header(name);
        if !stays && !value.is_null() {
            item.notice(&format!("{}.{name}", HEADERS.file), ADVICE, findings);
        }
        stays
    });
}
