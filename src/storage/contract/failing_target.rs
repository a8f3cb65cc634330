//! A target of a move that fails.

use crate::domain::audit::AuditEntry;
use crate::storage::StorageError;
use crate::storage::port::Result;
use crate::storage::transfer::{
    EachRow, MoveTarget, Progress, Row, StoreCopy, StoreState, TransferSource, TransferTarget,
};

/// A target that fails after some rows, as a process does that is killed.
pub struct FailingTarget {
    pub target: Box<dyn MoveTarget>,
    /// It fails with `Unavailable` after so many.
    pub calls_left: u32,
}

impl FailingTarget {
    fn call(&mut self) -> Result<&mut dyn MoveTarget> {
        if self.calls_left == 0 {
            return Err(StorageError::Unavailable("killed".to_owned()));
        }
        self.calls_left -= 1;
        Ok(&mut *self.target)
    }
}

impl TransferTarget for FailingTarget {
    fn begin(&mut self) -> Result<()> {
        self.call()?.begin()
    }

    fn add(&mut self, row: Row) -> Result<()> {
        self.call()?.add(row)
    }

    fn set_store(&mut self, store: &StoreCopy) -> Result<()> {
        self.call()?.set_store(store)
    }

    fn note(&mut self, progress: Progress) -> Result<()> {
        self.call()?.note(progress)
    }

    fn commit(&mut self) -> Result<()> {
        self.call()?.commit()
    }
}

impl TransferSource for FailingTarget {
    fn state(&mut self) -> Result<StoreState> {
        self.call()?.state()
    }

    fn service_count(&mut self) -> Result<u64> {
        self.call()?.service_count()
    }

    fn store(&mut self) -> Result<StoreCopy> {
        self.call()?.store()
    }

    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>> {
        self.call()?.portion(after, limit, each)
    }

    fn others(&mut self, each: &mut EachRow<'_>) -> Result<()> {
        self.call()?.others(each)
    }
}

impl MoveTarget for FailingTarget {
    fn finish(&mut self, audited: &AuditEntry) -> Result<()> {
        self.call()?.finish(audited)
    }

    fn forget(&mut self) -> Result<()> {
        self.call()?.forget()
    }
}
