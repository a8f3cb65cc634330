//! The evaluator.

mod absent;
mod aggregate;
mod arithmetic;
mod binary;
mod buckets;
pub(super) mod calendar;
mod call;
pub(super) mod elementwise;
mod evaluator;
mod group;
mod histograms;
mod labels;
mod merge;
pub(super) mod over_time;
mod over_windows;
mod rank;
pub(super) mod rates;
mod run;
mod select;
mod signatures;
mod sorting;
mod sum;
pub(super) mod trend;

pub use run::{Answer, Options, Results, instant, range};
