//! The history as series of samples, for queries.
//!
//! A source reads the living services under their names of today. Their ticks and events become
//! series ([`family`]); windows of hours and days are answered from roll-ups ([`fold`]).

mod board;
mod catalog;
pub mod family;
mod fold;
mod fold_windows;
mod source;
mod thin;
mod ticks;

pub use board::{Board, BoardSample};
pub use catalog::{Catalog, CatalogService, CatalogSettings, SeriesKey};
pub use source::StoreSource;
