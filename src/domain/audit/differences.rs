//! The fields that a change changes, without secrets.

use serde_json::{Map, Value};

/// Stands for a secret that was replaced by another one.
pub const CHANGED: &str = "changed";

/// The fields of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    /// With secrets in plain text; compared only.
    written: Map<String, Value>,
    /// With secrets masked.
    shown: Map<String, Value>,
}

impl Fields {
    pub fn new(written: Map<String, Value>, shown: Map<String, Value>) -> Self {
        Self { written, shown }
    }

    /// Fields of an object without secrets.
    pub fn open(fields: Map<String, Value>) -> Self {
        Self { written: fields.clone(), shown: fields }
    }
}

/// The fields that differ; null and absent are the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Differences {
    /// `None` for an object that did not exist.
    pub before: Option<Map<String, Value>>,
    /// `None` for an object that does not exist any more.
    pub after: Option<Map<String, Value>>,
}

impl Differences {
    /// Whether an object stayed as it was.
    pub fn is_none(&self) -> bool {
        let is_empty = |map: &Option<Map<String, Value>>| map.as_ref().is_some_and(Map::is_empty);
        is_empty(&self.before) && is_empty(&self.after)
    }

    /// Of an object that is created, changed or deleted.
    pub fn between(before: Option<&Fields>, after: Option<&Fields>) -> Self {
        match (before, after) {
            (Some(before), Some(after)) => {
                let (before, after) = of_maps(
                    Pair { written: &before.written, shown: &before.shown },
                    Pair { written: &after.written, shown: &after.shown },
                );
                Self { before: Some(before), after: Some(after) }
            }
            (before, after) => {
                let all = |fields: &Fields| without_null(&fields.shown);
                Self { before: before.map(all), after: after.map(all) }
            }
        }
    }
}

fn without_null(map: &Map<String, Value>) -> Map<String, Value> {
    let fields = map.iter().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value as it is written and as it is shown.
#[derive(Clone, Copy)]
struct Pair<T> {
    written: T,
    shown: T,
}

impl<'a> Pair<&'a Map<String, Value>> {
    fn field(self, name: &str) -> Pair<Option<&'a Value>> {
        let of = |map: &'a Map<String, Value>| map.get(name).filter(|value| !value.is_null());
        Pair { written: of(self.written), shown: of(self.shown) }
    }
}

fn of_maps(
    before: Pair<&Map<String, Value>>,
    after: Pair<&Map<String, Value>>,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut old, mut new) = (Map::new(), Map::new());
    let added = after.written.keys().filter(|name| !before.written.contains_key(*name));
    for name in before.written.keys().chain(added) {
        let (was, is) = of_values(before.field(name), after.field(name));
        old.extend(was.map(|value| (name.clone(), value)));
        new.extend(is.map(|value| (name.clone(), value)));
    }
    (old, new)
}

fn of_values(
    before: Pair<Option<&Value>>,
    after: Pair<Option<&Value>>,
) -> (Option<Value>, Option<Value>) {
    if before.written == after.written {
        return (None, None);
    }
    if let (Some(was), Some(is)) = (object(before), object(after)) {
        let (was, is) = of_maps(was, is);
        let value = |map: Map<String, Value>| (!map.is_empty()).then_some(Value::Object(map));
        return (value(was), value(is));
    }
    let is_hidden = before.shown == after.shown;
    let new = if is_hidden { Some(CHANGED.into()) } else { after.shown.cloned() };
    (before.shown.cloned(), new)
}

fn object(value: Pair<Option<&Value>>) -> Option<Pair<&Map<String, Value>>> {
    Some(Pair { written: value.written?.as_object()?, shown: value.shown?.as_object()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn fields(written: Value, shown: Value) -> Fields {
        Fields::new(map(written), map(shown))
    }

    #[test]
    fn a_change_has_the_fields_that_differ_and_no_secret() {
        let before = fields(
            json!({"name": "a", "url": "http://a/", "group": null, "bearer_token": "s3cret",
                   "headers": {"X-Key": "s3cret", "X-Plain": "1", "X-Same": "2"}}),
            json!({"name": "a", "url": "http://a/", "group": null, "bearer_token": "***",
                   "headers": {"X-Key": "***", "X-Plain": "1", "X-Same": "2"}}),
        );
        let after = fields(
            json!({"name": "a", "url": "http://b/", "group": "core", "bearer_token": "n3w",
                   "headers": {"X-Key": "n3w", "X-Same": "2", "X-New": "3"}}),
            json!({"name": "a", "url": "http://b/", "group": "core", "bearer_token": "***",
                   "headers": {"X-Key": "***", "X-Same": "2", "X-New": "3"}}),
        );
        let differences = Differences::between(Some(&before), Some(&after));
        let expected_before = json!({"url": "http://a/", "bearer_token": "***",
            "headers": {"X-Key": "***", "X-Plain": "1"}});
        let expected_after = json!({"url": "http://b/", "group": "core", "bearer_token": "changed",
            "headers": {"X-Key": "changed", "X-New": "3"}});
        assert_eq!(differences.before, Some(map(expected_before)));
        assert_eq!(differences.after, Some(map(expected_after)));
    }

    #[test]
    fn a_secret_that_is_new_or_removed_is_a_mask() {
        let without = fields(json!({}), json!({}));
        let with = fields(json!({"token": "s3cret"}), json!({"token": "***"}));
        let added = Differences::between(Some(&without), Some(&with));
        assert_eq!(added.before, Some(Map::new()));
        assert_eq!(added.after, Some(map(json!({"token": "***"}))));
        let removed = Differences::between(Some(&with), Some(&without));
        assert_eq!(removed.before, Some(map(json!({"token": "***"}))));
        assert_eq!(removed.after, Some(Map::new()));
    }

    #[test]
    fn a_created_or_deleted_object_has_all_its_fields() {
        let object = fields(
            json!({"name": "a", "group": null, "token": "s3cret"}),
            json!({"name": "a", "group": null, "token": "***"}),
        );
        let all = Some(map(json!({"name": "a", "token": "***"})));
        let created = Differences::between(None, Some(&object));
        assert_eq!(created, Differences { before: None, after: all.clone() });
        let deleted = Differences::between(Some(&object), None);
        assert_eq!(deleted, Differences { before: all, after: None });
    }

    /// Texts, some of which are secrets: these are shown as a mask, and have an `S`.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            "S[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[k-n]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[k-n]", value(), 0..4)
            .prop_map(|map| map.into_iter().collect())
    }

    fn masked(value: &Value) -> Value {
        match value {
            Value::String(text) if text.starts_with('S') => "***".into(),
            Value::Array(items) => items.iter().map(masked).collect(),
            Value::Object(map) => {
                map.iter().map(|(name, value)| (name.clone(), masked(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn fields_of(written: &Map<String, Value>) -> Fields {
        let shown = masked(&Value::Object(written.clone()));
        Fields::new(written.clone(), map(shown))
    }

    /// Also without those of objects in objects.
    fn without_nulls(map: &Map<String, Value>) -> Map<String, Value> {
        let mut map = without_null(map);
        for value in map.values_mut() {
            if let Value::Object(inner) = value {
                *inner = without_nulls(inner);
            }
        }
        map
    }

    proptest! {
        #[test]
        fn no_secret_is_in_the_differences_and_equal_objects_have_none(
            before in object(),
            after in object(),
        ) {
            let (was, is) = (fields_of(&before), fields_of(&after));
            let differences = Differences::between(Some(&was), Some(&is));
            let text = format!("{differences:?}");
            prop_assert!(!text.contains("\"S"), "{text}");
            let same = Differences::between(Some(&was), Some(&was));
            let none = Some(Map::new());
            prop_assert_eq!(same, Differences { before: none.clone(), after: none });
            let is_changed = without_nulls(&before) != without_nulls(&after);
            prop_assert_eq!(is_changed, !differences.is_none());
        }
    }
}
