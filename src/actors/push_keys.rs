//! The push services by their key in the API of Gatus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::service::label::lower_case;
use crate::domain::{Definition, Kind, ServiceId};

/// Written by the recorder, read by the API; clones share the content. Bound: one key per
/// push service.
#[derive(Debug, Clone, Default)]
pub struct PushKeys(Arc<Mutex<Keys>>);

#[derive(Debug, Default)]
struct Keys {
    ids: HashMap<String, Vec<ServiceId>>,
    keys: HashMap<ServiceId, String>,
}

impl PushKeys {
    /// Sets the key of a service, or removes it: `None` for a deleted service.
    pub fn update(&self, id: ServiceId, definition: Option<&Definition>) {
        let definition = definition.filter(|it| it.target.kind() == Kind::Push);
        let key = definition.map(|definition| definition.full_name().key());
        let mut keys = self.lock();
        let before = keys.keys.get(&id);
        if before == key.as_ref() {
            return;
        }
        if let Some(before) = before.cloned() {
            keys.remove(id, &before);
        }
        if let Some(key) = key {
            keys.ids.entry(key.clone()).or_default().push(id);
            keys.keys.insert(id, key);
        }
    }

    /// The services with this key, in any case.
    pub fn ids(&self, key: &str) -> Vec<ServiceId> {
        self.lock().ids.get(&lower_case(key)).cloned().unwrap_or_default()
    }

    /// The content is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn remove(&mut self, id: ServiceId, key: &str) {
        self.keys.remove(&id);
        if let Some(ids) = self.ids.get_mut(key) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.ids.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Target, sample};

    #[test]
    fn a_key_follows_the_service_and_leaves_nothing_behind() {
        let keys = PushKeys::default();
        let [first, second] = [1, 2].map(|id| ServiceId::new(id).unwrap());
        let push = |name: &str| Definition {
            target: Target::parse("push://job").unwrap(),
            ..sample::definition(name)
        };
        keys.update(first, Some(&push("a.b")));
        keys.update(second, Some(&push("a-b")));
        keys.update(first, Some(&push("a.b")));
        assert_eq!(keys.ids("_A-b"), [first, second]);
        keys.update(first, Some(&push("c")));
        assert_eq!((keys.ids("_a-b"), keys.ids("_c")), (vec![second], vec![first]));
        keys.update(first, Some(&sample::definition("c")));
        keys.update(second, None);
        let keys = keys.lock();
        assert!(keys.ids.is_empty() && keys.keys.is_empty(), "{keys:?}");
    }
}
