//! Changes of channels, policies and silences in the audit.

use super::{Audit, StoreConnection};
use crate::domain::alert::{Channel, Policy, Silence};
use crate::domain::audit::{Action, Fields, Object, ObjectKind};
use crate::storage::audit::fields;
use crate::storage::port::Result;

/// What the audit writes of a record.
pub trait Audited {
    fn object(&self) -> Object;
    fn fields(&self) -> Fields;
}

impl Audited for Channel {
    fn object(&self) -> Object {
        Object::new(ObjectKind::Channel, self.id, &self.name)
    }

    fn fields(&self) -> Fields {
        fields::channel(&self.name, &self.kind, self.enabled, &self.options)
    }
}

impl Audited for Policy {
    fn object(&self) -> Object {
        Object::new(ObjectKind::Policy, self.id, &self.name)
    }

    fn fields(&self) -> Fields {
        fields::policy(&self.name, self.position, &self.matcher, &self.options)
    }
}

impl Audited for Silence {
    fn object(&self) -> Object {
        Object { kind: ObjectKind::Silence, id: Some(self.id), name: self.note.clone() }
    }

    fn fields(&self) -> Fields {
        fields::silence(self)
    }
}

/// Writes the row of a change that leaves a record before or after it. Part of the caller's
/// transaction.
pub fn record<T: Audited>(
    connection: &mut StoreConnection,
    audit: Audit<'_>,
    action: Action,
    before: Option<&T>,
    after: Option<&T>,
) -> Result<()> {
    let Some(object) = after.or(before).map(T::object) else { return Ok(()) };
    let (before, after) = (before.map(T::fields), after.map(T::fields));
    audit.record(connection, action, object, before.as_ref(), after.as_ref())
}
