//! The whole file: its modules, and the keys that all modules have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::service::options::ModuleOptions;
use crate::domain::time::duration;
use crate::domain::{Definition, Invalid, Options};
use crate::modules::block::{Block, Place, Problems};
use crate::modules::draft::Draft;
use crate::modules::{Module, Modules, Prober, http, probers};
use crate::services_file::merge_keys;
use crate::services_file::yaml::{self, LoadError, Node};

/// Most problems that are reported.
const REPORTED: usize = 50;

/// Longest timeout of a probe, in seconds.
const MAX_TIMEOUT_SECONDS: f64 = 3_600.0;

impl Prober {
    const ALL: [(&'static str, Self); 6] = [
        ("http", Self::Http),
        ("tcp", Self::Tcp),
        ("icmp", Self::Icmp),
        ("dns", Self::Dns),
        ("grpc", Self::Grpc),
        ("websocket", Self::WebSocket),
    ];
}

impl Modules {
    /// Reads the text of `file`. Errors: each with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<String>> {
        let refused = |error: LoadError| vec![format!("{file}:{}: {}", error.line, error.problem)];
        let mut loaded = yaml::load(text).map_err(refused)?;
        loaded.documents.iter_mut().try_for_each(merge_keys::resolve).map_err(refused)?;
        let mut problems = Problems::default();
        let modules = match loaded.documents.as_slice() {
            [] => BTreeMap::new(),
            [document] => read_document(document, &mut problems),
            [_, second, ..] => {
                problems.add(yaml::line(second), "a second document, expected one".to_owned());
                BTreeMap::new()
            }
        };
        if problems.0.is_empty() {
            return Ok(Self(modules));
        }
        let Problems(mut found) = problems;
        found.sort_by_key(|(line, _)| *line);
        found.dedup();
        let more = found.len().saturating_sub(REPORTED);
        found.truncate(REPORTED);
        let mut messages: Vec<String> =
            found.into_iter().map(|(line, problem)| format!("{file}:{line}: {problem}")).collect();
        messages.extend((more > 0).then(|| format!("{more} more problems")));
        Err(messages)
    }
}

fn read_document(document: &Node<'_>, problems: &mut Problems) -> BTreeMap<String, Module> {
    let place = Place { line: 1, path: String::new() };
    let Some(root) = Block::of(document, place, problems) else { return BTreeMap::new() };
    root.check_keys(&["modules"], &[], problems);
    let Some(modules) = root.block("modules", problems) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (name, place, node) in modules.entries(problems) {
        if let Some(module) = read_module(node, &place, problems) {
            read.insert(name.to_owned(), module);
        }
    }
    read
}

fn read_module(node: &Node<'_>, place: &Place, problems: &mut Problems) -> Option<Module> {
    let before = problems.0.len();
    let module = Block::of(node, place.clone(), problems)?;
    let names = Prober::ALL.map(|(name, _)| name);
    // Blocks of other probers have no effect.
    let known = [&["prober", "timeout"], &names[..], &["unix"]].concat();
    module.check_keys(&known, &[], problems);
    let timeout = module.text("timeout", problems).and_then(|(place, text)| {
        let timeout = timeout(text);
        if timeout.is_none() {
            let expected = "a duration as in Go, such as 5s, of at most 1h";
            place.reject(&Invalid::new(text, expected), problems);
        }
        timeout
    });
    let (at, name) = match module.text("prober", problems) {
        Some(found) => found,
        None => {
            problems.add(place.line, format!("{}.prober: required", place.path));
            return None;
        }
    };
    let Some((_, prober)) = Prober::ALL.into_iter().find(|(known, _)| *known == name) else {
        at.reject(&Invalid::new(name, names.join(", ")), problems);
        return None;
    };
    let block = module.block(name, problems)?;
    let mut draft = Draft::default();
    let read: fn(&Block, &mut Draft, &mut Problems) = match prober {
        Prober::Http => http::read,
        Prober::Tcp => probers::tcp,
        Prober::Icmp => probers::icmp,
        Prober::Dns => probers::dns,
        Prober::Grpc => probers::grpc,
        Prober::WebSocket => probers::websocket,
    };
    read(&block, &mut draft, problems);
    if problems.0.len() > before {
        return None;
    }
    let mut template = draft.definition(prober, place, problems)?;
    let Draft { is_secured, tls_rule, of_module, .. } = draft;
    if of_module != ModuleOptions::default() {
        let of_module = Some(Box::new(of_module));
        let options = Options { of_module, ..Options::clone(&template.options) };
        template = Definition { options: Arc::new(options), ..template };
    }
    let timeout = timeout.filter(|timeout| !timeout.is_zero());
    Some(Module { prober, timeout, template, is_secured, tls_rule })
}

/// 0 for none.
fn timeout(text: &str) -> Option<Duration> {
    let seconds = duration::parse_seconds(text)?;
    (0.0..=MAX_TIMEOUT_SECONDS).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}
