//! Merge keys: `<<: *block` and `<<: [*first, *second]` (<https://yaml.org/type/merge.html>).

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr::{MarkedYaml, YamlData};
use saphyr_parser::ScalarStyle;

use crate::services_file::yaml;
use crate::services_file::yaml::LoadError;

/// Replaces every merge key in `node` by the keys of its mappings. Keys of the mapping itself take
/// precedence, and then those of earlier mappings; values are not merged any deeper. No node is
/// copied: an alias is a copy already, which the limits of the text have counted.
pub fn resolve(node: &mut MarkedYaml) -> Result<(), LoadError> {
    match &mut node.data {
        YamlData::Sequence(items) => items.iter_mut().try_for_each(resolve),
        YamlData::Mapping(mapping) => {
            mapping.iter_mut().try_for_each(|(_, value)| resolve(value))?;
            let Some(key) = mapping.keys().find(|key| is_merge(key)).cloned() else {
                return Ok(());
            };
            let Some(merged) = mapping.remove(&key) else { return Ok(()) };
            let mut names: HashSet<Cow<str>> = mapping.keys().filter_map(name).collect();
            for block in mappings(merged)? {
                let YamlData::Mapping(block) = block.data else { continue };
                for (key, value) in block {
                    let is_new = match name(&key) {
                        Some(name) => names.insert(name),
                        None => !mapping.contains_key(&key),
                    };
                    if is_new {
                        mapping.insert(key, value);
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The mappings of the value of a merge key.
fn mappings(merged: MarkedYaml) -> Result<Vec<MarkedYaml>, LoadError> {
    let line = yaml::line(&merged);
    let blocks = match merged.data {
        YamlData::Sequence(items) => items,
        _ => vec![merged],
    };
    if blocks.iter().all(|block| matches!(block.data, YamlData::Mapping(_))) {
        return Ok(blocks);
    }
    let problem = "<<: invalid value, expected a mapping or a list of mappings".to_owned();
    Err(LoadError { line, problem })
}

/// `"<<"` in quotes is an ordinary key.
fn is_merge(key: &MarkedYaml) -> bool {
    matches!(&key.data, YamlData::Representation(text, ScalarStyle::Plain, _) if text == "<<")
}

fn name<'y>(key: &MarkedYaml<'y>) -> Option<Cow<'y, str>> {
    match &key.data {
        YamlData::Representation(text, ..) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resolved(text: &str) -> Result<Value, String> {
        let mut documents = yaml::load(text).unwrap().documents;
        resolve(&mut documents[0]).map_err(|error| format!("{}: {}", error.line, error.problem))?;
        Ok(yaml::value_of(&documents[0], &mut Vec::new()))
    }

    #[test]
    fn keys_of_the_mapping_itself_take_precedence() {
        let text = "a: &a {x: 1, y: 1}\nb: {x: 2, <<: *a}\nc: {<<: *a, x: 3}\n";
        let value = resolved(text).unwrap();
        assert_eq!(value["b"], json!({"x": "2", "y": "1"}));
        assert_eq!(value["c"], json!({"x": "3", "y": "1"}));
    }

    #[test]
    fn of_a_list_the_earlier_mapping_takes_precedence() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b]}\n\
                    d: {<<: [*b, {y: 3, w: 3}, *a]}\n";
        let value = resolved(text).unwrap();
        assert_eq!(value["c"], json!({"x": "1", "y": "1", "z": "2"}));
        assert_eq!(value["d"], json!({"x": "1", "y": "2", "z": "2", "w": "3"}));
    }

    #[test]
    fn a_merged_mapping_may_have_a_merge_key_itself() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: [{deep: {<<: *b}}]\n";
        assert_eq!(resolved(text).unwrap()["c"], json!([{"deep": {"y": "2", "x": "1"}}]));
    }

    #[test]
    fn values_are_replaced_and_not_merged() {
        let text = "a: &a {client: {timeout: 1s, insecure: true}}\nb: {<<: *a, client: {x: 1}}\n";
        assert_eq!(resolved(text).unwrap()["b"], json!({"client": {"x": "1"}}));
    }

    #[test]
    fn quoted_and_plain_keys_are_one_key() {
        let text = "a: &a {x: 1}\nb: {\"x\": 2, <<: *a}\nc: {\"<<\": text}\n";
        let value = resolved(text).unwrap();
        assert_eq!(value["b"], json!({"x": "2"}));
        assert_eq!(value["c"], json!({"<<": "text"}));
    }

    #[test]
    fn only_mappings_can_be_merged() {
        for bad in ["a: 1\n<<: text", "a: 1\n<<: [x]", "a: 1\n<<:", "a: 1\n<<: [[{x: 1}]]"] {
            let problem = resolved(bad).unwrap_err();
            assert_eq!(problem, "2: <<: invalid value, expected a mapping or a list of mappings");
        }
    }
}
