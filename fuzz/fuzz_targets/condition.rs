//! Parsing a condition never panics; it prints as it was read, and any body can be judged.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service_healthcheck::domain::{Body, Condition, Facts};

fuzz_target!(|data: &[u8]| {
    let end_of_text = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (text, body) = data.split_at(end_of_text);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(condition) = Condition::parse(text) else { return };
    let printed = condition.to_string();
    assert_eq!(Condition::parse(&printed).as_ref(), Ok(&condition), "{text:?} → {printed:?}");
    let body = Body::new(body.to_vec(), true);
    let facts = Facts { status: Some(200), body, ..Facts::default() };
    if let Err(explanation) = condition.judge(&facts) {
        assert!(!explanation.is_empty());
    }
});
