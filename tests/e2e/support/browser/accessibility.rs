//! axe-core, run in the page.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Browser;
use super::emulation::Scheme;

/// Where `tests/needs.sh browser` puts it.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/axe/axe.min.js");

/// Rules of WCAG 2.2 AA, and best practices. The pages are whole documents, without frames.
const RUN: &str = "
    const [rules, done] = arguments;
    const runOnly = rules ?? {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa',
        'wcag22a', 'wcag22aa', 'best-practice']};
    axe.run(document, {runOnly, resultTypes: ['violations'], iframes: false})
        .then(result => done(result.violations.flatMap(rule => rule.nodes.map(node =>
            `${rule.id}: ${rule.help}: ${node.html}: ${node.failureSummary}`))))
        .catch(error => done([`axe-core: ${error}`]));";

fn axe() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        std::fs::read_to_string(AXE)
            .unwrap_or_else(|error| panic!("{AXE}: {error}; run tests/needs.sh browser"))
    })
}

impl Browser {
    /// The faults that axe-core finds in the page in light colours, and those of contrast in dark
    /// colours.
    pub fn accessibility_faults(&self) -> Vec<String> {
        let mut faults = self.run_axe(&Value::Null);
        let contrast = json!({"type": "rule", "values": ["color-contrast", "link-in-text-block"]});
        self.emulate_scheme(Scheme::Dark);
        faults.extend(self.run_axe(&contrast).into_iter().map(|fault| format!("dark: {fault}")));
        self.emulate_scheme(Scheme::Light);
        // What axe-core itself does against the policy of the page is no fault of the page.
        self.session.console();
        faults
    }

    /// The faults by all rules, or by those of `rules`.
    pub fn run_axe(&self, rules: &Value) -> Vec<String> {
        let script = format!("{}\n{RUN}", axe());
        let faults = self.session.run_async(&script, std::slice::from_ref(rules));
        faults.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }
}
