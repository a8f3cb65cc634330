//! Queries: the same answers as Prometheus over the same series.
//!
//! Debian's Prometheus has version 2: windows include their left end, which they no longer do in
//! version 3. All times of queries are apart from those of the samples, so that no sample meets an
//! end.

mod api;
mod comparison;
mod compliance;
mod demo;
mod grammar;
mod limits;
mod memory;
mod random_queries;
mod remote_read;
