//! The last result of each service that is watched, for `/metrics`.

use std::collections::HashMap;

use crate::domain::{Definition, Group, Name, Outcome, ServiceId};
use crate::metrics::{LastResult, ServiceResult};

/// Bound: one place for each service that is watched. An outcome that comes in after its service has left finds no place.
#[derive(Debug, Default)]
pub struct Board {
    /// Boxed, since half of a large map is empty.
    places: HashMap<ServiceId, Box<Place>>,
}

/// Invariant: name and group are the ones that the service has now, whatever it was called when it was probed.
#[derive(Debug)]
struct Place {
    name: Name,
    group: Option<Group>,
    result: Option<LastResult>,
}

impl Board {
    /// How many services are watched.
    pub fn watched(&self) -> usize {
        self.places.len()
    }

    /// Makes a place for a service; the result that stands there stays.
    pub fn watch(&mut self, id: ServiceId, definition: &Definition) {
        let (name, group) = (definition.name.clone(), definition.group.clone());
        let result = self.places.remove(&id).and_then(|place| place.result);
        self.places.insert(id, Box::new(Place { name, group, result }));
    }

    /// Takes a service off the board.
    pub fn unwatch(&mut self, id: ServiceId) {
        self.places.remove(&id);
    }

    /// Notes what the last probe of a service said.
    pub fn note(&mut self, outcome: &Outcome) {
        if let Some(place) = self.places.get_mut(&outcome.service_id) {
            place.result = Some(LastResult::new(outcome));
        }
    }

    /// The service's last result is no longer to be believed.
    pub fn forget(&mut self, id: ServiceId) {
        if let Some(place) = self.places.get_mut(&id) {
            place.result = None;
        }
    }

    /// The name of a service on the board.
    pub fn name(&self, id: ServiceId) -> Option<&str> {
        self.places.get(&id).map(|place| place.name.as_str())
    }

    /// The results on the board, by id.
    pub fn all(&self) -> Vec<ServiceResult> {
        let mut all: Vec<ServiceResult> = self
            .places
            .iter()
            .filter_map(|(&id, place)| {
                let result = place.result?;
                Some(ServiceResult {
                    id,
                    name: place.name.clone(),
                    group: place.group.clone(),
                    result,
                })
            })
            .collect();
        all.sort_unstable_by_key(|result| result.id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn a_probe_that_began_under_the_old_name_is_told_under_the_new_one() {
        let id = ServiceId::new(1).unwrap();
        let outcome = sample::outcome(1, 0);
        let mut board = Board::default();
        board.note(&outcome);
        assert!(board.all().is_empty(), "nobody watches it");
        board.watch(id, &sample::definition("old"));
        board.watch(id, &sample::definition("new"));
        board.note(&outcome);
        assert_eq!(board.all()[0].name.as_str(), "new");
        board.watch(id, &sample::definition("newer"));
        assert_eq!(board.all()[0].name.as_str(), "newer", "the result stays");
        board.unwatch(id);
        board.note(&outcome);
        assert!(board.all().is_empty());
    }
}
