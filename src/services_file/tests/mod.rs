//! Reading whole texts: what loads, is refused, or is ignored.

mod alerting;
mod defaults;
mod examples;
mod gatus_keys;
mod gatus_mistakes;
mod maintenance;
mod problems;
mod variables;

use std::path::Path;

use crate::domain::Variables;
use crate::services_file::content::Content;
use crate::services_file::entry::Entry;
use crate::services_file::read::read_text;

fn problems(text: &str) -> Vec<String> {
    parse(text).unwrap_err()
}

fn parse(text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let variables = [("TOKEN".to_owned(), "s3cret".to_owned())].into();
    let content = read_text(Path::new("s.yaml"), text, &Variables::new(variables));
    content.map(|content| content.entries)
}

fn problems_with(text: &str, variables: &Variables) -> Vec<String> {
    read_text(Path::new("s.yaml"), text, variables).unwrap_err()
}

fn content(text: &str) -> Content {
    read_text(Path::new("s.yaml"), text, &Variables::default()).unwrap()
}
