//! Reading an API body never panics, and a definition survives writing and reading.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use service_healthcheck::spec::{Dialect, Form, Patch, read, write};

fuzz_target!(|data: &[u8]| {
    let Ok(map) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    if let Ok(definition) = read(&map, Dialect::Api) {
        let written = write(&definition, Form::Literal);
        assert_eq!(read(&written, Dialect::Api).as_ref(), Ok(&definition));
        let masked = Value::Object(write(&definition, Form::Masked)).to_string();
        assert!(!masked.is_empty());
        if let Ok(patch) = Patch::new(map) {
            assert_eq!(
                patch.apply(&definition).as_ref(),
                Ok(&definition),
                "a change without effect"
            );
        }
    } else {
        // Must not panic: the fields may be valid one by one although the definition is not.
        let _ = Patch::new(map);
    }
});
