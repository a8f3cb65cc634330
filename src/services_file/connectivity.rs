//! The key `connectivity`: its checker is a canary of the self-check.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::service::target::Target;
use crate::domain::service::template::Variables;
use crate::domain::time::duration;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::similar::unknown_key;
use crate::services_file::variables;

/// A target that shows whether the local network works.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    pub target: Target,
}

const INTERVAL_ADVICE: &str = "not used: the target is a canary of the self-check, which is \
     probed when services fail together";

/// The target of the checker, which answers over TCP. `None` without a checker, and after a
/// problem.
pub fn canary(item: &Item, variables: &Variables, findings: &mut Findings) -> Option<Canary> {
    let mut object = item.object(findings)?;
    variables::fill(item, &mut object, variables, findings);
    let mut unknown = |prefix: &str, value: &Value, known: &[&str]| {
        for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
            if !known.contains(&key.as_str()) {
                let path = format!("{prefix}{key}");
                let problem = unknown_key(key, known.iter().copied());
                item.reject(item.line_of(&path), &path, &problem, findings);
            }
        }
    };
    let checker = object.get("checker").cloned().unwrap_or_default();
    unknown("", &Value::Object(object), &["checker"]);
    unknown("checker.", &checker, &["target", "interval"]);
    match checker.get("interval").map(Value::as_str) {
        None => {}
        Some(interval) if interval.and_then(duration::parse_seconds).is_some() => {
            item.notice("checker.interval", INTERVAL_ADVICE, findings);
        }
        Some(_) => {
            let problem = "invalid value, expected a duration as in Go, such as 60s";
            item.reject(item.line_of("checker.interval"), "checker.interval", problem, findings);
        }
    }
    let target = match (&checker, checker.get("target")) {
        (Value::Null, _) => return None,
        (_, Some(Value::String(target))) => target.clone(),
        _ => {
            item.reject(item.line_of("checker"), "checker.target", "required", findings);
            return None;
        }
    };
    let url = if target.contains("://") { target.clone() } else { format!("tcp://{target}") };
    match Target::parse(&url) {
        Ok(target) => {
            let line = item.line_of("checker.target");
            Some(Canary { file: Arc::clone(item.file), line, target })
        }
        Err(_) => {
            let problem = format!("invalid value {target}, expected HOST:PORT such as 1.1.1.1:53");
            item.reject(item.line_of("checker.target"), "checker.target", &problem, findings);
            None
        }
    }
}
