//! Bounds of a query.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::EvalError;

/// Bytes of a query's text.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// Nested expressions.
pub const MAX_DEPTH: usize = 100;

/// Series that one selector may select.
pub const MAX_SERIES: usize = 100_000;

/// Steps of a range query, as in Prometheus.
pub const MAX_STEPS: i64 = 11_000;

/// Steps of a subquery: those of a range query for each of its steps.
pub const MAX_SUBQUERY_STEPS: i64 = 1_000_000;

/// Samples of all queries that run.
#[derive(Debug)]
pub struct SamplePool {
    used: AtomicUsize,
    max: usize,
}

impl SamplePool {
    pub fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, count: usize) -> Result<(), EvalError> {
        let before = self.used.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) <= self.max {
            return Ok(());
        }
        self.used.fetch_sub(count, Ordering::Relaxed);
        Err(EvalError::TooManySamples(self.max))
    }
}

/// Samples of an answer, which outlive the query. They are given back when this is dropped.
#[derive(Debug)]
pub struct KeptSamples {
    pool: Arc<SamplePool>,
    count: usize,
}

impl Drop for KeptSamples {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// Why a query must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    TimedOut,
    Canceled,
}

/// Samples that one query holds in memory, and whether it must stop.
pub struct Meter<'a> {
    pool: &'a SamplePool,
    stop: &'a dyn Fn() -> Option<Stop>,
    held: Cell<usize>,
    peak: Cell<usize>,
}

impl<'a> Meter<'a> {
    pub fn new(pool: &'a SamplePool, stop: &'a dyn Fn() -> Option<Stop>) -> Self {
        Self { pool, stop, held: Cell::new(0), peak: Cell::new(0) }
    }

    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// The most that the query held.
    pub fn peak(&self) -> usize {
        self.peak.get()
    }

    /// Counts `count` further samples.
    pub fn hold(&self, count: usize) -> Result<(), EvalError> {
        self.pool.take(count)?;
        self.held.set(self.held.get() + count);
        self.peak.set(self.peak.get().max(self.held.get()));
        Ok(())
    }

    /// Gives back all but the first `held` samples.
    pub fn release_to(&self, held: usize) {
        let released = self.held.get().saturating_sub(held);
        self.pool.used.fetch_sub(released, Ordering::Relaxed);
        self.held.set(self.held.get() - released);
    }

    /// What the query holds, for its answer; the meter holds nothing afterwards. `pool` is that of
    /// the meter.
    pub fn keep(&self, pool: &Arc<SamplePool>) -> KeptSamples {
        KeptSamples { pool: Arc::clone(pool), count: self.held.replace(0) }
    }

    /// Fails when the query must stop.
    pub fn check(&self) -> Result<(), EvalError> {
        match (self.stop)() {
            None => Ok(()),
            Some(Stop::TimedOut) => Err(EvalError::TimedOut),
            Some(Stop::Canceled) => Err(EvalError::Canceled),
        }
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.release_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_share_the_pool_and_give_back_what_they_hold() {
        let pool = SamplePool::new(100);
        let never = || None;
        let first = Meter::new(&pool, &never);
        first.hold(60).unwrap();
        {
            let second = Meter::new(&pool, &never);
            second.hold(40).unwrap();
            assert_eq!(first.hold(1), Err(EvalError::TooManySamples(100)));
            second.release_to(10);
            assert_eq!((second.held(), second.peak()), (10, 40));
            assert_eq!(pool.used(), 70);
        }
        assert_eq!(pool.used(), 60);
        drop(first);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn an_answer_keeps_its_samples_after_the_query() {
        let pool = Arc::new(SamplePool::new(100));
        let never = || None;
        let meter = Meter::new(&pool, &never);
        meter.hold(60).unwrap();
        meter.release_to(20);
        let kept = meter.keep(&pool);
        assert_eq!(meter.held(), 0);
        drop(meter);
        assert_eq!(pool.used(), 20);
        drop(kept);
        assert_eq!(pool.used(), 0);
    }
}
