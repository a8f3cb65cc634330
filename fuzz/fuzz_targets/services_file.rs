//! Parsing a services file never panics, and its options survive the store. The same text as
//! modules of blackbox_exporter is read or refused, and so are targets.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use service_healthcheck::domain::{Target, Variables};
use service_healthcheck::modules::Modules;
use service_healthcheck::services_file::read_text;
use service_healthcheck::spec::{Form, read_options, write_options};

fuzz_target!(|text: &str| {
    if let Ok(modules) = Modules::parse("fuzz.yml", text)
        && let Some(module) = modules.get("m")
    {
        let _ = module.definition(text.lines().next().unwrap_or_default(), Some("a"));
    }
    let content = read_text(Path::new("fuzz.yaml"), text, &Variables::default());
    for entry in content.unwrap_or_default().entries {
        let definition = entry.definition;
        assert!(Target::template(definition.target.as_str()).is_ok());
        let stored = write_options(&definition.options, Form::Stored);
        assert_eq!(read_options(&stored).as_ref(), Ok(&definition.options));
    }
});
