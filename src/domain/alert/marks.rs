//! The marks of all services.

use std::sync::Arc;

use crate::domain::alert::runs::Marks;
use crate::domain::id_map::IdMap;
use crate::domain::service::service_id::ServiceId;

/// The marks of the services that have any. Services with equal ones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertMarks(IdMap<Arc<Marks>>);

impl AlertMarks {
    pub fn get(&self, id: ServiceId) -> Option<&Arc<Marks>> {
        self.0.get(id)
    }

    pub fn insert(&mut self, id: ServiceId, marks: Arc<Marks>) {
        self.0.insert(id, marks);
    }

    pub fn remove(&mut self, id: ServiceId) {
        self.0.remove(id);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ServiceId, Arc<Marks>)> for AlertMarks {
    fn from_iter<I: IntoIterator<Item = (ServiceId, Arc<Marks>)>>(marks: I) -> Self {
        Self(marks.into_iter().collect())
    }
}
