//! The services that queries may select, kept from query to query.

use std::sync::{Arc, Mutex, PoisonError};

use crate::actors::service_changes::{Changed, ServiceChanges};
use crate::storage::StorageError;
use crate::storage::history::samples::{Catalog, CatalogSettings};
use crate::storage::port::StoreRead;

/// Shared by the queriers. Bound: an entry a living service, and as many again while a query uses
/// an older version.
#[derive(Debug)]
pub struct KnownServices {
    settings: CatalogSettings,
    changes: ServiceChanges,
    /// Locked while definitions are read: each change is read once, and no query goes on with what
    /// it makes out of date.
    catalog: Mutex<Arc<Catalog>>,
}

impl KnownServices {
    /// Reads nothing until the first query.
    pub fn new(settings: CatalogSettings, changes: ServiceChanges) -> Self {
        Self { settings, changes, catalog: Mutex::default() }
    }

    /// All services as they are now; reads the definitions of those that have changed since the
    /// last call.
    pub fn current(&self, rows: &mut dyn StoreRead) -> Result<Arc<Catalog>, StorageError> {
        // Replaced as a whole, so a panic elsewhere while it was locked is no harm.
        let mut catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        let read = match self.changes.take() {
            Changed::All => Catalog::read(rows, &self.settings),
            Changed::Some(ids) if ids.is_empty() => return Ok(Arc::clone(&catalog)),
            Changed::Some(ids) => {
                let mut newer = Catalog::clone(&catalog);
                let ids: Vec<_> = ids.into_iter().collect();
                newer.update(rows, &ids, &self.settings).map(|()| newer)
            }
        };
        // What was taken is not known now.
        *catalog = Arc::new(read.inspect_err(|_| self.changes.note_all())?);
        Ok(Arc::clone(&catalog))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::audit::AuditSource;
    use crate::domain::{Requests, ServiceId, sample};
    use crate::spec::Patch;
    use crate::storage::Store;
    use crate::storage::port::StoreWrite;
    use crate::storage::records::Change;

    struct Stored {
        writer: Box<dyn StoreWrite>,
        reader: Box<dyn StoreRead>,
        changes: ServiceChanges,
        known: KnownServices,
        _store: Store,
        _folder: tempfile::TempDir,
    }

    impl Stored {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open_file(&folder.path().join("db.db")).unwrap();
            let access = store.access();
            let changes = ServiceChanges::default();
            let settings = CatalogSettings {
                job: "jobs".to_owned(),
                requests: Requests::Masked,
                default_interval: Duration::from_secs(60),
            };
            let known = KnownServices::new(settings, changes.clone());
            let (writer, reader) = (access.writer().unwrap(), access.reader().unwrap());
            Self { writer, reader, changes, known, _store: store, _folder: folder }
        }

        /// Changes the store, and notes nothing.
        fn define(&mut self, change: Change) -> ServiceId {
            self.writer.define(change, &AuditSource::COMMAND, 1_000).unwrap().id
        }

        fn add(&mut self, name: &str) -> ServiceId {
            self.define(Change::Create(Box::new(sample::definition(name))))
        }

        fn rename(&mut self, id: ServiceId, name: &str) {
            let fields = [("name".to_owned(), name.into())].into_iter().collect();
            self.define(Change::Update(id, Patch::new(fields).unwrap()));
        }

        /// The names that queries see, by id.
        fn names(&mut self) -> Vec<String> {
            let catalog = self.known.current(&mut *self.reader).unwrap();
            let services = catalog.services.iter();
            services.map(|it| it.series("a", None).value("name").to_owned()).collect()
        }
    }

    #[test]
    fn only_the_definitions_of_changed_services_are_read_again() {
        let mut stored = Stored::new();
        let ids = ["a", "b", "c"].map(|name| stored.add(name));
        assert_eq!(stored.names(), ["a", "b", "c"], "the first query reads all");
        // What the store has without a note shows whether its row was read.
        for (id, name) in ids.into_iter().zip(["d", "e", "f"]) {
            stored.rename(id, name);
        }
        assert_eq!(stored.names(), ["a", "b", "c"], "nothing is read");
        stored.changes.note(ids[1]);
        assert_eq!(stored.names(), ["a", "e", "c"], "one row is read");
        let added = stored.add("g");
        stored.define(Change::Delete(ids[0]));
        for id in [added, ids[0]] {
            stored.changes.note(id);
        }
        assert_eq!(stored.names(), ["e", "c", "g"]);
        stored.changes.note_all();
        assert_eq!(stored.names(), ["e", "f", "g"], "all are read");
    }

    #[test]
    fn a_running_query_keeps_the_services_that_it_began_with() {
        let mut stored = Stored::new();
        let id = stored.add("a");
        let before = stored.known.current(&mut *stored.reader).unwrap();
        stored.rename(id, "b");
        stored.changes.note(id);
        assert_eq!(stored.names(), ["b"]);
        assert_eq!(before.services[0].series("a", None).value("name"), "a");
    }
}
