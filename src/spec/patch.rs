//! A change to a definition by a client of the API.

use std::fmt;

use serde_json::{Map, Value};

use crate::domain::service::definition::Definition;
use crate::spec::form::Form;
use crate::spec::masks::Mask;
use crate::spec::problem::Problem;
use crate::spec::reader::{check_part, read_changed};
use crate::spec::writer::{merge, write};
use crate::spec::{destination, masks, override_masks};

/// A change in the dialect of the API (RFC 7396). Each field is valid by itself. A mask keeps the
/// stored secret, so a definition as a response shows it changes nothing.
#[derive(Clone, PartialEq)]
pub struct Patch {
    /// Without masks, except for those in URLs and in overrides of alerts.
    change: Map<String, Value>,
    masks: Vec<Mask>,
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be secrets.
        f.debug_set().entries(self.change.keys()).entries(&self.masks).finish()
    }
}

impl Patch {
    /// Validates each field of `change`; null resets a field to its default.
    pub fn new(mut change: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let masks = masks::take(&mut change);
        check_part(&change)?;
        Ok(Self { change, masks })
    }

    /// The definition after the change. The error names masks without a stored secret, fields that
    /// contradict each other, and secrets that must be given anew.
    pub fn apply(&self, before: &Definition) -> Result<Definition, Vec<Problem>> {
        let mut map = write(before, Form::Literal);
        let unknown = self.masks.iter().filter(|mask| !mask.is_stored(&map));
        let mut problems: Vec<Problem> = unknown.map(Mask::problem).collect();
        let mut change = self.change.clone();
        problems.extend(masks::unmask_urls(&mut change, &map));
        problems.extend(override_masks::unmask(&mut change, &map));
        merge(&mut map, &change);
        match read_changed(&map) {
            Ok(after) => {
                problems.extend(destination::problems(before, &after, &self.change));
                if problems.is_empty() { Ok(after) } else { Err(problems) }
            }
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Condition, Group, Interval, Requests, sample};
    use crate::spec::field::Dialect;
    use crate::spec::reader::read;

    #[test]
    fn a_patch_changes_only_the_fields_that_it_names() {
        let before = Definition {
            group: Group::parse("core").unwrap(),
            interval: Some(Interval::from_seconds(1.0).unwrap()),
            ..sample::definition("a")
        };
        let patch = |change: Value| Patch::new(change.as_object().unwrap().clone());
        let after = patch(json!({"enabled": false, "group": null})).unwrap().apply(&before);
        assert_eq!(after.unwrap(), Definition { enabled: false, group: None, ..before.clone() });
        assert!(patch(json!({"enabled": null})).is_err());
        let push = patch(json!({"url": "push://job"})).unwrap();
        let problems = push.apply(&before).unwrap_err();
        assert_eq!(problems[0].path, "heartbeat.token", "a push target requires a token");
    }

    #[test]
    fn conditions_of_a_former_version_stay_and_new_ones_like_them_are_refused() {
        let old = "[STATUS] == 200 || [STATUS] == 201";
        let conditions = [Condition::parse(old).unwrap()].into();
        let before = Definition { conditions, ..sample::definition("a") };
        let patch = |change: Value| Patch::new(change.as_object().unwrap().clone());
        let paused = patch(json!({"enabled": false})).unwrap().apply(&before);
        assert_eq!(paused.unwrap(), Definition { enabled: false, ..before });
        assert!(patch(json!({"conditions": [old]})).is_err());
    }

    /// A definition with every secret, for a kind of target.
    fn with_secrets(url: &str, more: &Value) -> Definition {
        let mut map = json!({
            "name": "a", "url": url, "body": "s3cret-body",
            "tls": {"certificate": "-----BEGIN C", "private_key": "-----BEGIN s3cret"},
        });
        merge(map.as_object_mut().unwrap(), more.as_object().unwrap());
        read(map.as_object().unwrap(), Dialect::Api).unwrap()
    }

    #[test]
    fn a_definition_as_a_response_shows_it_changes_nothing() {
        let http = with_secrets(
            "https://u:s3cret@a/p;sid=s3cret?token=s3cret&next=%3Fkey%3Ds3cret#key=s3cret",
            &json!({
                "headers": {"X-Api-Key": "s3cret", "X-Plain": "x"}, "bearer_token": "s3cret",
                "basic_auth": {"username": "s3cret", "password": "x"},
                "oauth2": {
                    "token_url": "https://id:s3cret@t/?token=s3cret", "client_id": "id",
                    "client_secret": "s3cret"
                },
                "proxy_url": "http://u:s3cret@proxy:3128"
            }),
        );
        let socket = with_secrets("wss://s3cret@a/", &json!({"expect": "s3cret *"}));
        let job = json!({"name": "j", "url": "push://j", "heartbeat": {"token": "s3cret"}});
        let job = read(job.as_object().unwrap(), Dialect::Api).unwrap();
        for before in [http, socket, job] {
            for requests in [Requests::Masked, Requests::Shown] {
                let mut shown = write(&before, Form::Masked(requests));
                let text = json!(shown).to_string();
                assert!(requests == Requests::Shown || !text.contains("s3cret"), "{text}");
                let after = Patch::new(shown.clone()).unwrap().apply(&before).unwrap();
                assert_eq!(write(&after, Form::Literal), write(&before, Form::Literal));
                // With another value beside the masks.
                shown.insert("name".to_owned(), json!("b"));
                let after = Patch::new(shown).unwrap().apply(&before).unwrap();
                assert_eq!(after.options, before.options);
                assert_eq!(after.target, before.target);
            }
        }
    }

    #[test]
    fn a_mask_without_a_stored_secret_is_rejected() {
        let before = sample::definition("a");
        let change = json!({
            "url": "http://***@a/", "headers": {"X-Token": "***"}, "bearer_token": "***",
            "tls": {"private_key": "***"}
        });
        let patch = Patch::new(change.as_object().unwrap().clone()).unwrap();
        let problems = patch.apply(&before).unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["bearer_token", "tls.private_key", "headers.X-Token", "url"]);
        let plain = json!({"headers": {"X-Plain": "***"}});
        let plain = Patch::new(plain.as_object().unwrap().clone()).unwrap().apply(&before).unwrap();
        assert_eq!(plain.options.headers.len(), 1, "not a secret header");
    }
}
