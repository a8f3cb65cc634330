//! Limits of a YAML text, judged by its events before any node is copied.

use std::collections::HashMap;

use saphyr_parser::Event;

/// Deepest nesting; a service needs five levels.
const MAX_DEPTH: usize = 32;

/// Most nodes, with those that aliases repeat. 100,000 entries of 40 nodes fit.
const MAX_NODES: usize = 4_000_000;

/// Nodes that aliases may repeat in any text.
const FREE_REPEATED_NODES: usize = 100_000;

/// Beyond [`FREE_REPEATED_NODES`], aliases may repeat this many nodes for each node that is written
/// out: every entry of a large file may repeat a block, but a short text may not expand to a long
/// one.
const REPEATED_NODES_PER_NODE: usize = 10;

/// Most bytes of texts that aliases repeat.
const MAX_REPEATED_BYTES: usize = 64 * 1024 * 1024;

/// The size of a node with everything in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Measures the nodes of a text. Bound: one entry for each anchor, and [`MAX_DEPTH`].
#[derive(Debug, Default)]
pub struct Limits {
    /// The open collections, with their anchors.
    open: Vec<(usize, Size)>,
    anchors: HashMap<usize, Size>,
    /// All nodes that are written out.
    written: usize,
    /// Copies: the loader copies a node for its anchor and for each alias.
    repeated: Size,
}

impl Limits {
    /// Counts the node of `event`. The error is the limit that it exceeds.
    pub fn count(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.open.push((*anchor, Size { nodes: 1, bytes: 0 }));
                self.written += 1;
                if self.open.len() > MAX_DEPTH {
                    return Err(format!("nested too deeply, expected at most {MAX_DEPTH} levels"));
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, size) = self.open.pop().unwrap_or_default();
                self.end(anchor, size);
            }
            Event::Scalar(text, _, anchor, _) => {
                self.written += 1;
                self.end(*anchor, Size { nodes: 1, bytes: text.len() });
            }
            Event::Alias(anchor) => {
                let size = self.anchors.get(anchor).copied().unwrap_or_default();
                self.repeated.add(size);
                self.add_to_parent(size);
            }
            _ => {}
        }
        self.check()
    }

    fn end(&mut self, anchor: usize, size: Size) {
        if anchor > 0 {
            self.repeated.add(size);
            self.anchors.insert(anchor, size);
        }
        self.add_to_parent(size);
    }

    fn add_to_parent(&mut self, size: Size) {
        if let Some((_, parent)) = self.open.last_mut() {
            parent.add(size);
        }
    }

    fn check(&self) -> Result<(), String> {
        let Size { nodes, bytes } = self.repeated;
        let allowed = FREE_REPEATED_NODES.max(self.written * REPEATED_NODES_PER_NODE);
        if nodes > allowed {
            return Err(format!(
                "aliases repeat too many nodes, expected at most {FREE_REPEATED_NODES}, or \
                 {REPEATED_NODES_PER_NODE} for each node that is written out"
            ));
        }
        if bytes > MAX_REPEATED_BYTES {
            return Err(format!(
                "aliases repeat too much text, expected at most {MAX_REPEATED_BYTES} bytes"
            ));
        }
        if nodes.saturating_add(self.written) > MAX_NODES {
            return Err(format!("too many nodes, expected at most {MAX_NODES}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;
    use crate::domain::Variables;
    use crate::services_file::read::read_text;

    fn rejected(text: &str) -> String {
        let problems = read_text(Path::new("s.yaml"), text, &Variables::default()).unwrap_err();
        assert_eq!(problems.len(), 1, "{} problems, first {:.300}", problems.len(), problems[0]);
        assert!(problems[0].len() < 1_000, "{:.300}", problems[0]);
        problems[0].clone()
    }

    /// Ten levels of ten aliases each, within `open` and `close`.
    fn laughs(open: &str, close: &str, value: &str) -> String {
        let mut text = format!("a0: &a0 {value}\n");
        for level in 1..=10 {
            let inner = vec![format!("*a{}", level - 1); 10].join(",");
            let _ = writeln!(text, "a{level}: &a{level} {open}{inner}{close}");
        }
        text
    }

    #[test]
    fn an_alias_bomb_is_rejected_with_its_line_and_the_limit() {
        let expected = "invalid YAML: aliases repeat too many nodes, expected at most 100000,";
        let lists = rejected(&laughs("[", "]", "lol"));
        assert!(lists.starts_with("s.yaml:6: ") && lists.contains(expected), "{lists}");
        // The loader of the library does not count what is in a key.
        let keys = rejected(&laughs("{? [", "] : x}", "lol"));
        assert!(keys.contains(expected), "{keys}");
        let anchors = "[&a ".repeat(30) + &"]".repeat(30);
        assert!(rejected(&format!("- {anchors}\n").repeat(3_000)).contains(expected));
    }

    #[test]
    fn merge_keys_expand_no_further_than_aliases() {
        let expected = "invalid YAML: aliases repeat too many nodes, expected at most 100000,";
        let nested = rejected(&laughs("{<<: {x: [", "]}}", "lol"));
        assert!(nested.contains(expected), "{nested}");
        let mut text = String::from("a0: &a0 {k: v}\n");
        for level in 1..=10 {
            let merged = vec![format!("*a{}", level - 1); 10].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} {{<<: [{merged}], k{level}: v}}");
        }
        let lists = rejected(&text);
        assert!(lists.contains(expected), "{lists}");
    }

    #[test]
    fn a_block_may_be_merged_by_every_entry() {
        let mut text = String::from(
            "alerting: {slack: {}}\nown: &own {interval: 5m, \
             client: {timeout: 5s, insecure: true}, \
             headers: {A: b, C: d}, conditions: ['[STATUS] == 200', '[BODY] == x'], \
             alerts: [{type: slack, enabled: true, failure-threshold: 3}]}\nendpoints:\n",
        );
        for nth in 0..10_000 {
            let _ = writeln!(text, "  - {{<<: *own, name: a{nth}, url: http://a/}}");
        }
        let content = read_text(Path::new("s.yaml"), &text, &Variables::default()).unwrap();
        assert_eq!(content.entries.len(), 10_000);
        assert_eq!(content.notices.messages(), [""; 0]);
    }

    #[test]
    fn texts_that_aliases_repeat_are_bounded_in_bytes() {
        let text = format!("- &a {}\n", "x".repeat(1_000_000)) + &"- *a\n".repeat(70);
        let problem = rejected(&text);
        assert!(
            problem.starts_with("s.yaml:68: ") && problem.contains("at most 67108864 bytes"),
            "{problem}"
        );
    }

    #[test]
    fn deep_nesting_and_many_nodes_are_rejected() {
        for (open, close) in [("[", "]"), ("- ", ""), ("{a: ", "}"), ("? ", "")] {
            let text = open.repeat(20_000) + "x" + &close.repeat(20_000);
            let problem = rejected(&text);
            assert!(problem.starts_with("s.yaml:1: invalid YAML: "), "{open}: {problem}");
        }
        let problem = rejected(&("- ".repeat(33) + "x"));
        assert!(problem.contains("nested too deeply, expected at most 32 levels"), "{problem}");
        let mut limits = Limits { written: MAX_NODES - 1, ..Limits::default() };
        let node = Event::SequenceStart(0, None);
        assert_eq!(limits.count(&node), Ok(()));
        let problem = limits.count(&node).unwrap_err();
        assert!(problem.contains("too many nodes, expected at most 4000000"), "{problem}");
    }

    #[test]
    fn many_documents_and_huge_texts_have_one_short_error() {
        assert!(rejected(&"--- x\n".repeat(10_000)).contains("the file: invalid value"));
        let huge = "x".repeat(1_000_000);
        rejected(&format!("endpoints:\n  - {{name: {huge}, url: http://a/}}\n"));
        rejected(&format!("endpoints:\n  - {{name: a, url: {huge}}}\n"));
        rejected(&format!("endpoints:\n  - {{name: a, url: http://a/, {huge}: 1}}\n"));
        rejected(&format!("{huge}: 1\nendpoints: []\n"));
    }

    #[test]
    fn a_block_of_many_nodes_may_be_shared_by_100_000_entries() {
        let mut text = String::from(
            "endpoints:\n  - {name: a, url: http://a/, \
             client: &c {timeout: 5s, insecure: true, dns-resolver: \"udp://127.0.0.1:53\"}}\n",
        );
        for nth in 1..100_000 {
            let _ = writeln!(text, "  - {{name: a{nth}, url: http://a/, client: *c}}");
        }
        let content = read_text(Path::new("s.yaml"), &text, &Variables::default());
        assert_eq!(content.map(|content| content.entries.len()), Ok(100_000));
    }
}
