//! Conditions that a response must fulfil, in the language of Gatus (`[STATUS] == 200`,
//! `len([BODY].items) > 0`).
//!
//! A condition is parsed once and evaluated for each response ([`Condition::judge`]). It prints as
//! it was written, except for spaces. Source: part "Conditions" of the README of Gatus. Unlike in
//! Gatus, a value that is no number fails a comparison by size instead of counting as 0: a body
//! without `errors` does not fulfil `[BODY].errors < 5`.

mod absence;
mod contradiction;
mod definition;
pub mod expression;
pub mod facts;
mod glob;
pub mod joined;
mod judge;
mod number;
mod path;
pub mod wildcard;

pub use expression::Condition;
pub use facts::{Body, Facts};
