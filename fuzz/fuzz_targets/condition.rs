//! A condition never panics, prints back what it read, and is judged by any body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service_healthcheck::domain::{Body, Condition, Facts};

fuzz_target!(|data: &[u8]| {
    let (text, body) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(condition) = Condition::parse(text) else { return };
    let printed = condition.to_string();
    assert_eq!(Condition::parse(&printed).as_ref(), Ok(&condition), "{text:?} → {printed:?}");
    let facts = Facts { status: Some(200), body: Body::new(body.to_vec(), true), ..Facts::default() };
    if let Err(told) = condition.judge(&facts) {
        assert!(!told.is_empty());
    }
});
