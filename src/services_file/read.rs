//! From files to entries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use saphyr::MarkedYaml;

use crate::bounded_file;
use crate::domain::invalid::Invalid;
use crate::domain::service::label::FullName;
use crate::domain::service::template::{Template, Variables};
use crate::probe::net::tls;
use crate::services_file::alerting::rules::Context;
use crate::services_file::alerting::set_up::Alerting;
use crate::services_file::alerting::unalerted;
use crate::services_file::channel_kinds::{ChannelKinds, Unchecked};
use crate::services_file::connectivity;
use crate::services_file::content::Content;
use crate::services_file::defaults::Defaults;
use crate::services_file::document;
use crate::services_file::document::Document;
use crate::services_file::endpoint;
use crate::services_file::entry::Entry;
use crate::services_file::external;
use crate::services_file::files;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::maintenance;
use crate::services_file::parents;
use crate::services_file::problems::Problems;
use crate::services_file::root;
use crate::services_file::root::Root;
use crate::services_file::yaml;

/// Reads the file, or all files of the folder. The error has one message for each problem, with
/// file, line and entry.
pub fn read(
    path: &Path,
    variables: &Variables,
    kinds: &dyn ChannelKinds,
) -> Result<Content, Vec<String>> {
    let invalid = |file: &Path, reason: &dyn Display| {
        let expected = "a YAML file in UTF-8, or a folder of such files";
        vec![Invalid::quoted(file, expected).because(reason).of("SERVICES_FILE")]
    };
    let files = files::list(path).map_err(|error| invalid(path, &error))?;
    if files.is_empty() {
        return Err(invalid(path, &"no .yaml or .yml file in it"));
    }
    let mut texts = Vec::new();
    for file in files {
        let text = bounded_file::read_text(&file, files::MAX_BYTES)
            .map_err(|error| invalid(&file, &error))?;
        texts.push((file.into(), text));
    }
    read_texts(texts, variables, kinds)
}

/// Reads one text as [`read`] reads a file, but does not check the keys of channels; errors show
/// it as `path`.
pub fn read_text(path: &Path, text: &str, variables: &Variables) -> Result<Content, Vec<String>> {
    read_text_with(path, text, variables, &Unchecked)
}

/// Reads one text as [`read`] reads a file.
pub fn read_text_with(
    path: &Path,
    text: &str,
    variables: &Variables,
    kinds: &dyn ChannelKinds,
) -> Result<Content, Vec<String>> {
    read_texts(vec![(path.into(), text.to_owned())], variables, kinds)
}

/// Reads texts as [`read`] reads the files of a folder: each may have some of the keys.
pub fn read_texts(
    mut texts: Vec<(Arc<Path>, String)>,
    variables: &Variables,
    kinds: &dyn ChannelKinds,
) -> Result<Content, Vec<String>> {
    for (_, text) in &mut texts {
        yaml::join_surrogates(text);
        if let Cow::Owned(without_braces) = Template::without_braces(text) {
            *text = without_braces;
        }
    }
    let mut findings = Findings::default();
    let mut documents: Vec<Document> = Vec::new();
    for (file, text) in &texts {
        documents.extend(document::load(file, text, &mut findings));
    }
    let roots: Vec<Root> =
        documents.iter().map(|document| root::read(document, &mut findings)).collect();
    if findings.problems.is_empty() && !roots.iter().any(|root| root.has_list) {
        let (file, _) = &texts[0];
        findings.problems.add(file, 1, "endpoints: required".to_owned());
    }
    let mut alerting = Alerting::default();
    for root in &roots {
        if let Some(item) = block(root, "alerting", root.alerting) {
            alerting.add(&item, variables, kinds, &mut findings);
        }
    }
    alerting.check_policies(&mut findings);
    let context = Context { alerting: &alerting, kinds, variables };
    let mut defaults = Defaults::default();
    let mut canaries = Vec::new();
    let mut windows = Vec::new();
    for root in &roots {
        if let Some(item) = block(root, "defaults", root.defaults) {
            defaults.add(&item, context, &mut findings);
        }
        if let Some(item) = block(root, "connectivity", root.connectivity) {
            canaries.extend(connectivity::canary(&item, variables, &mut findings));
        }
        if let Some(item) = block(root, "maintenance", root.maintenance) {
            windows.extend(maintenance::window(&item, variables, &mut findings));
        }
    }
    let defaults_key = roots.iter().map(|root| root.defaults_key).max().unwrap_or_default();
    let mut entries = Vec::new();
    for mut document in documents {
        each_item(&mut document, "endpoints", |item| {
            entries.extend(endpoint::entry(item, &defaults, context, &mut findings));
        });
        each_item(&mut document, "external-endpoints", |item| {
            entries.extend(external::entry(item, context, &mut findings));
        });
    }
    let Findings { problems, notices } = findings;
    let content = Content {
        unalerted: unalerted::notices(&entries, &alerting),
        entries,
        maintenance: windows,
        canaries,
        channels: alerting.channels.into_iter().map(|known| known.channel).collect(),
        policies: alerting.policies.into_iter().map(|(policy, _)| policy).collect(),
        alerting: alerting.settings,
        notices,
        defaults_key,
    };
    validate(content, problems)
}

fn block<'a, 't>(
    root: &Root<'a, 't>,
    key: &'static str,
    node: Option<&'a MarkedYaml<'t>>,
) -> Option<Item<'a, 't>> {
    Some(Item { file: &root.document.file, node: node?, key, number: None, renamed: &[] })
}

/// Reads the items of a list one after the other.
fn each_item<'t>(
    document: &mut Document<'t>,
    key: &'static str,
    mut read: impl FnMut(&Item<'_, 't>),
) {
    let (file, mut number) = (Arc::clone(&document.file), 0);
    document.each_item(key, &mut |node| {
        number += 1;
        read(&Item { file: &file, node, key, number: Some(number), renamed: &[] });
    });
}

/// Checks names and certificate files of all entries together.
fn validate(content: Content, mut problems: Problems) -> Result<Content, Vec<String>> {
    reject_duplicates(&content.entries, &mut problems);
    parents::check(&content.entries, &mut problems);
    for entry in &content.entries {
        let options = &entry.definition.options.tls;
        let files = [&options.ca, &options.certificate, &options.private_key];
        let has_files = files.into_iter().any(Option::is_some);
        if let Some(Err(error)) = has_files.then(|| tls::validate(options)) {
            problems.add_to_entry(entry, &format!("client: tls: {error}"));
        }
    }
    if problems.is_empty() { Ok(content) } else { Err(problems.messages()) }
}

fn reject_duplicates(entries: &[Entry], problems: &mut Problems) {
    let mut first: HashMap<FullName, &Entry> = HashMap::new();
    for entry in entries {
        let full_name = entry.definition.full_name();
        match first.get(&full_name) {
            Some(first) => {
                let elsewhere = if first.file == entry.file {
                    format!("line {}", first.line)
                } else {
                    format!("{}:{}", first.file.display(), first.line)
                };
                let problem = format!("name: already used by the entry at {elsewhere}");
                problems.add_to_entry(entry, &problem);
            }
            None => drop(first.insert(full_name, entry)),
        }
    }
}
