//! The last result of each service that is watched, for `/metrics`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Definition, Outcome, Service, ServiceId};
use crate::telemetry::LastResult;

/// Bound: one place for each service that is watched. An outcome that comes in after its service has left finds no place.
#[derive(Debug, Default)]
pub struct Board {
    places: HashMap<ServiceId, Option<LastResult>>,
}

impl Board {
    /// Makes a place for a service; what stands there stays, under the names that the service has now.
    pub fn watch(&mut self, id: ServiceId, definition: &Definition) {
        if let Some(result) = self.places.entry(id).or_default() {
            let renamed = Service {
                name: definition.name.clone(),
                group: definition.group.clone(),
                ..Service::clone(&result.service)
            };
            result.service = Arc::new(renamed);
        }
    }

    /// Takes a service off the board.
    pub fn unwatch(&mut self, id: ServiceId) {
        self.places.remove(&id);
    }

    /// Notes what the last probe of `service` said.
    pub fn note(&mut self, service: Arc<Service>, outcome: &Outcome) {
        if let Some(place) = self.places.get_mut(&service.id) {
            *place = Some(LastResult::new(service, outcome));
        }
    }

    /// The name of a service on the board.
    pub fn name(&self, id: ServiceId) -> Option<&str> {
        self.places.get(&id)?.as_ref().map(|result| result.service.name.as_str())
    }

    /// The results on the board, by id.
    pub fn all(&self) -> Vec<LastResult> {
        let mut all: Vec<LastResult> = self.places.values().flatten().cloned().collect();
        all.sort_unstable_by_key(|result| result.service.id);
        all
    }
}
