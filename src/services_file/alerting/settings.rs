//! `alerting.timezone` and `alerting.watchdog`.

use serde_json::Value;
use url::Url;

use crate::domain::alert::settings::Watchdog;
use crate::domain::invalid::Invalid;
use crate::domain::maintenance::zone::Zone;
use crate::domain::service::template::{Template, Variables};
use crate::services_file::alerting::block::{Block, within};
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::{Dialect, values};

pub const TIMEZONE: &str = "timezone";
pub const WATCHDOG: &str = "watchdog";

pub fn timezone(item: &Item, value: &Value, findings: &mut Findings) -> Option<Zone> {
    match values::line(value, Dialect::File).and_then(Zone::parse) {
        Ok(zone) => Some(zone),
        Err(invalid) => {
            item.reject(item.line_of(TIMEZONE), TIMEZONE, &invalid.to_string(), findings);
            None
        }
    }
}

pub fn watchdog(
    item: &Item,
    value: &Value,
    variables: &Variables,
    findings: &mut Findings,
) -> Option<Watchdog> {
    let mut block = Block::of(item, WATCHDOG.to_owned(), value.clone(), findings)?;
    let interval =
        block.take("interval", within(1.0, 86_400.0, "a time from 1 second to 24 hours"));
    if !block.map.contains_key("url") {
        block.reject("url", "required");
    }
    let url = block.take("url", |value, dialect| {
        let url = values::template(value, dialect)?;
        let filled = url.fill(variables).unwrap_or_default();
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        // A token may be a part of it.
        let expected = || Invalid::hidden("an http:// or https:// URL");
        Url::parse(&filled).ok().filter(is_http).ok_or_else(expected)?;
        Ok::<Template, Invalid>(url)
    });
    block.reject_others(&["interval", "url"]);
    Some(Watchdog { url: url?, interval: interval.unwrap_or(Watchdog::INTERVAL) })
}
