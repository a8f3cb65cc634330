//! Lists of series, and of the names and values of their labels.
//!
//! Names and values are collected without the label sets of the series, of which 100,000 services
//! have millions.

use std::collections::BTreeSet;

use super::{Known, check_count};
use crate::promql::{EvalError, Labels, MAX_SERIES, Matcher, Meter};
use crate::storage::history::samples::SeriesKey;

/// The series of any of the selectors, sorted; of all services without one. With a `limit`, the
/// first ones, and one more.
pub fn series(
    known: &Known<'_>,
    selectors: &[Vec<Matcher>],
    limit: Option<usize>,
    meter: &Meter<'_>,
) -> Result<Vec<Labels>, EvalError> {
    let limit = limit.filter(|limit| *limit < MAX_SERIES);
    let mut series = BTreeSet::new();
    let mut add = |labels: Labels| {
        series.insert(labels);
        match limit {
            Some(limit) if series.len() > limit + 1 => drop(series.pop_last()),
            _ => check_count(series.len())?,
        }
        Ok(())
    };
    for matchers in all_or(selectors) {
        each_of_services(known, matchers, meter, &mut |key| add(key.labels()))?;
        let mut of_program = known.program.matching(matchers);
        of_program.try_for_each(|(labels, _)| add(labels.clone()))?;
    }
    Ok(series.into_iter().collect())
}

/// The names of the labels of those series.
pub fn label_names(
    known: &Known<'_>,
    selectors: &[Vec<Matcher>],
    meter: &Meter<'_>,
) -> Result<Vec<String>, EvalError> {
    let mut names = Texts::default();
    for matchers in all_or(selectors) {
        each_of_services(known, matchers, meter, &mut |key| {
            key.names().for_each(|name| names.add(name));
            Ok(())
        })?;
        let of_program = known.program.matching(matchers);
        of_program.flat_map(|(labels, _)| labels.iter()).for_each(|(name, _)| names.add(name));
    }
    Ok(names.sorted())
}

/// The values that the label `name` has in those series.
pub fn label_values(
    known: &Known<'_>,
    name: &str,
    selectors: &[Vec<Matcher>],
    meter: &Meter<'_>,
) -> Result<Vec<String>, EvalError> {
    let mut values = Texts::default();
    for matchers in all_or(selectors) {
        each_of_services(known, matchers, meter, &mut |key| {
            values.add(key.value(name));
            Ok(())
        })?;
        let of_program = known.program.matching(matchers);
        of_program.for_each(|(labels, _)| values.add(labels.get(name)));
    }
    Ok(values.sorted())
}

fn all_or(selectors: &[Vec<Matcher>]) -> &[Vec<Matcher>] {
    const ALL: &[Vec<Matcher>] = &[Vec::new()];
    if selectors.is_empty() { ALL } else { selectors }
}

fn each_of_services(
    known: &Known<'_>,
    matchers: &[Matcher],
    meter: &Meter<'_>,
    each: &mut dyn FnMut(&SeriesKey<'_>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    for service in &known.catalog.services {
        meter.check()?;
        service.listed(matchers, known.board).iter().try_for_each(&mut *each)?;
    }
    Ok(())
}

/// Different texts that are not empty.
#[derive(Default)]
struct Texts(BTreeSet<String>);

impl Texts {
    fn add(&mut self, text: &str) {
        if !text.is_empty() && !self.0.contains(text) {
            self.0.insert(text.to_owned());
        }
    }

    fn sorted(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}
