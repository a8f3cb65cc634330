//! Reading an API body never panics, a definition survives writing and reading, and its masked form
//! can be sent back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use service_healthcheck::domain::Requests;
use service_healthcheck::spec::{Dialect, Form, Patch, masks, read, write};

fuzz_target!(|data: &[u8]| {
    let Ok(map) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    // Masks are rejected before a new definition is read.
    if !masks::problems(&map).is_empty() {
        let _ = Patch::new(map);
        return;
    }
    if let Ok(definition) = read(&map, Dialect::Api) {
        let written = write(&definition, Form::Literal);
        assert_eq!(read(&written, Dialect::Api).as_ref(), Ok(&definition));
        let masked = [Requests::Masked, Requests::Shown].map(Form::Masked);
        for change in [map].into_iter().chain(masked.map(|form| write(&definition, form))) {
            if let Ok(patch) = Patch::new(change) {
                assert_eq!(
                    patch.apply(&definition).as_ref(),
                    Ok(&definition),
                    "a change without effect"
                );
            }
        }
    } else {
        // Must not panic: the fields may be valid one by one although the definition is not.
        let _ = Patch::new(map);
    }
});
