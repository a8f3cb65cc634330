//! Decides when the services file is read, and when it is applied. Pure; time is passed in.

use std::time::{Duration, Instant};

use crate::services_file::{Digest, Snapshot, Stats};

/// The content is read this often even if stat(2) shows no change: a time stamp is as coarse as the
/// clock tick of its file system, and some network file systems show changes late or never.
const READ_EVERY: Duration = Duration::from_secs(10);

/// Reading takes at most one part in this many of the time.
const READ_SHARE: u32 = 100;

/// Time until a rejected content is tried again: the reason may lie outside the file, as a missing
/// certificate or a name that a service of the API has.
const RETRY_REJECTED_AFTER: Duration = Duration::from_secs(60);

/// Detects changes of the services file. A change is applied once two reads in a row found the same
/// new content, so that a file is not applied while it is written.
#[derive(Debug)]
pub struct Changes {
    /// The content that was applied; `None` when it is not known.
    applied: Option<Digest>,
    /// A content that was rejected, and when it is tried again.
    rejected: Option<(Digest, Instant)>,
    /// Before the newest read.
    stats: Stats,
    /// A content that differs from `applied` and was read once.
    pending: Option<Digest>,
    read_again_at: Instant,
}

impl Changes {
    pub fn new(applied: Snapshot, now: Instant) -> Self {
        let Snapshot { stats, digest } = applied;
        Self {
            applied: digest,
            rejected: None,
            stats,
            pending: None,
            read_again_at: now + READ_EVERY,
        }
    }

    /// Whether the content has to be read.
    pub fn must_read(&self, stats: &Stats, now: Instant) -> bool {
        *stats != self.stats || self.pending.is_some() || now >= self.read_again_at
    }

    /// Records a read of the content that ended at `now` and began after `stats`. Returns whether
    /// the content has to be applied.
    pub fn read(&mut self, stats: Stats, digest: Digest, took: Duration, now: Instant) -> bool {
        self.stats = stats;
        self.read_again_at = now + READ_EVERY.max(took * READ_SHARE);
        let is_rejected =
            self.rejected.is_some_and(|(known, until)| known == digest && now < until);
        let is_new = self.applied != Some(digest) && !is_rejected;
        let is_same = self.pending == Some(digest);
        self.pending = is_new.then_some(digest);
        is_new && is_same
    }

    /// Records that the content with `digest` was applied.
    pub fn applied(&mut self, digest: Digest) {
        self.applied = Some(digest);
        self.rejected = None;
        self.pending = None;
    }

    /// Records that the content with `digest` was rejected at `now`.
    pub fn rejected(&mut self, digest: Digest, now: Instant) {
        self.rejected = Some((digest, now + RETRY_REJECTED_AFTER));
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services_file::snapshot;

    const SECOND: Duration = Duration::from_secs(1);

    /// A file, and its changes as checked once a second.
    struct World {
        folder: tempfile::TempDir,
        changes: Changes,
        now: Instant,
        reads: usize,
    }

    impl World {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("s.yaml"), text).unwrap();
            let now = Instant::now();
            let changes = Changes::new(snapshot(folder.path()), now);
            Self { folder, changes, now, reads: 0 }
        }

        /// One check; whether the file is applied.
        fn check(&mut self, stats: Option<Stats>) -> bool {
            self.now += SECOND;
            let found = snapshot(self.folder.path());
            let stats = stats.unwrap_or(found.stats);
            if !self.changes.must_read(&stats, self.now) {
                return false;
            }
            self.reads += 1;
            let digest = found.digest.unwrap();
            let applies = self.changes.read(stats, digest, Duration::ZERO, self.now);
            if applies {
                self.changes.applied(digest);
            }
            applies
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("s.yaml"), text).unwrap();
        }
    }

    #[test]
    fn a_rejected_content_is_tried_again_later_and_another_one_at_once() {
        let mut world = World::new("a");
        world.write("b");
        assert!(!world.check(None));
        let digest = snapshot(world.folder.path()).digest.unwrap();
        world.changes.rejected(digest, world.now);
        let tries = (0..120).filter(|_| world.check(None)).count();
        assert_eq!(tries, 1, "once within two minutes");
        world.write("c");
        world.check(None);
        let digest = snapshot(world.folder.path()).digest.unwrap();
        world.changes.rejected(digest, world.now);
        world.write("d");
        assert!(!world.check(None));
        assert!(world.check(None), "at the second read");
    }

    #[test]
    fn a_change_is_applied_once_two_reads_found_it() {
        let mut world = World::new("a");
        assert!(!world.check(None));
        world.write("b");
        assert!(!world.check(None), "it may be written right now");
        world.write("bc");
        assert!(!world.check(None));
        assert!(world.check(None));
        assert_eq!(world.reads, 3);
        assert!((0..5).all(|_| !world.check(None)), "applied once");
        world.write("a");
        assert!(!world.check(None) && world.check(None), "back to the first content");
    }

    #[test]
    fn a_file_that_was_only_touched_is_read_and_not_applied() {
        let mut world = World::new("a");
        world.write("a");
        assert!((0..5).all(|_| !world.check(None)));
        assert_eq!(world.reads, 1);
    }

    #[test]
    fn a_change_that_stat_does_not_show_is_found_within_seconds() {
        let mut world = World::new("a");
        let stats = snapshot(world.folder.path()).stats;
        world.write("b");
        let applied_after = (1..).find(|_| world.check(Some(stats.clone()))).unwrap();
        assert_eq!((applied_after, world.reads), (11, 2));
    }

    #[test]
    fn a_slow_file_is_read_for_a_hundredth_of_the_time() {
        let mut world = World::new("a");
        let found = snapshot(world.folder.path());
        let took = 3 * SECOND;
        let read = world.changes.read(found.stats.clone(), found.digest.unwrap(), took, world.now);
        assert!(!read);
        assert!(!world.changes.must_read(&found.stats, world.now + 299 * SECOND));
        assert!(world.changes.must_read(&found.stats, world.now + 300 * SECOND));
    }

    #[test]
    fn a_change_that_the_store_did_not_take_is_tried_again() {
        let mut world = World::new("a");
        world.write("b");
        let found = snapshot(world.folder.path());
        let mut read = || {
            let digest = found.digest.unwrap();
            world.changes.read(found.stats.clone(), digest, Duration::ZERO, world.now)
        };
        assert!(!read());
        assert!(read() && read());
    }
}
