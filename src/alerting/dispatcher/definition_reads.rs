//! When channels, policies and silences are read from the store. Pure.

/// Whether the definitions in memory are those of the store. A read that is under way when they
/// change may have found them as they were before, so they are read once more after it.
#[derive(Debug, Default)]
pub struct DefinitionReads {
    is_reading: bool,
    /// They were changed after the newest read began, or that read failed.
    is_outdated: bool,
}

impl DefinitionReads {
    /// They were changed in the store.
    pub fn changed(&mut self) {
        self.is_outdated = true;
    }

    /// Begins a read unless one is under way. Whether it begins.
    pub fn begin(&mut self) -> bool {
        if std::mem::replace(&mut self.is_reading, true) {
            return false;
        }
        self.is_outdated = false;
        true
    }

    /// The read has ended; a failed one is repeated.
    pub fn ended(&mut self, has_failed: bool) {
        self.is_reading = false;
        self.is_outdated |= has_failed;
    }

    pub fn is_reading(&self) -> bool {
        self.is_reading
    }

    pub fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// Whether a change may be missing in memory.
    pub fn is_behind(&self) -> bool {
        self.is_reading || self.is_outdated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_that_arrives_while_the_one_before_is_read_is_read_after_it() {
        let mut reads = DefinitionReads::default();
        reads.changed();
        assert!(reads.is_behind() && reads.begin());
        reads.changed();
        assert!(!reads.begin(), "one read at a time");
        reads.ended(false);
        assert!(reads.is_outdated() && reads.is_behind(), "the second change is not lost");
        assert!(reads.begin());
        reads.ended(false);
        assert!(!reads.is_behind());
    }

    #[test]
    fn a_read_that_fails_is_repeated() {
        let mut reads = DefinitionReads::default();
        assert!(reads.begin() && reads.is_reading());
        reads.ended(true);
        assert!(reads.is_outdated() && !reads.is_reading());
    }

    proptest! {
        /// Whatever the order of changes and reads: when nothing is left to be read, the newest
        /// read has begun after the newest change.
        #[test]
        fn what_is_up_to_date_has_every_change(steps in prop::collection::vec(0..4, 0..40)) {
            let mut reads = DefinitionReads::default();
            let (mut stored, mut read, mut memory) = (0, 0, 0);
            for step in steps {
                match step {
                    0 => {
                        stored += 1;
                        reads.changed();
                    }
                    1 if reads.is_outdated() && reads.begin() => read = stored,
                    2 if reads.is_reading() => {
                        memory = read;
                        reads.ended(false);
                    }
                    3 if reads.is_reading() => reads.ended(true),
                    _ => {}
                }
                prop_assert!(reads.is_behind() || memory == stored);
            }
        }
    }
}
