//! A body of the API never panics, and a definition that was read is written back and read the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use service_healthcheck::domain::Patch;
use service_healthcheck::domain::spec::{Dialect, Form, read, write};

fuzz_target!(|data: &[u8]| {
    let Ok(map) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    if let Ok(definition) = read(&map, Dialect::Api) {
        let written = write(&definition, Form::Literal);
        assert_eq!(read(&written, Dialect::Api).as_ref(), Ok(&definition));
        let shown = Value::Object(write(&definition, Form::Masked)).to_string();
        assert!(!shown.is_empty());
        if let Ok(patch) = Patch::new(map) {
            assert_eq!(definition.patched(&patch).as_ref(), Ok(&definition), "it says nothing new");
        }
    } else if let Ok(patch) = Patch::new(map) {
        // Each field by itself is good; whether they fit together is for the definition to say.
        drop(patch);
    }
});
