//! Reading of variables. Problems are collected, and reading continues with the defaults.

use std::str::FromStr;
use std::time::Duration;

use crate::config::variable::Variable;
use crate::domain::invalid::Invalid;

/// Reads variables and collects problems.
pub struct Reader<'l> {
    lookup: &'l dyn Fn(&str) -> Option<String>,
    pub problems: Vec<String>,
}

impl<'l> Reader<'l> {
    pub fn new(lookup: &'l dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The parsed value, or the default for a missing or an invalid value.
    pub fn value<T>(&mut self, variable: &Variable, parse: impl Fn(&str) -> Option<T>) -> T {
        self.optional(variable, &parse)
            .or_else(|| parse(variable.default))
            .unwrap_or_else(|| unreachable!("the default of {} is valid", variable.name))
    }

    /// `None` for a missing, an empty or an invalid value.
    pub fn optional<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            let invalid = match variable.is_secret {
                true => Invalid::hidden(variable.expected),
                false => Invalid::quoted(text, variable.expected),
            };
            self.problems.push(invalid.of(variable.name));
        }
        parsed
    }

    /// Adds the problem that `variable` is not set, though `other` is.
    pub fn missing(&mut self, variable: &Variable, other: &Variable) {
        let problem = format!("{}: required together with {}", variable.name, other.name);
        self.problems.push(problem);
    }

    /// The text of the variable; `None` for a missing or an empty value.
    pub fn text(&self, variable: &Variable) -> Option<String> {
        (self.lookup)(variable.name).filter(|text| !text.is_empty())
    }

    pub fn number<N: FromStr + PartialOrd + Copy>(
        &mut self,
        variable: &Variable,
        least: N,
        most: N,
    ) -> N {
        self.value(variable, |text| text.parse().ok().filter(|n| (least..=most).contains(n)))
    }

    /// A number of seconds from 0 to `most`.
    pub fn seconds(&mut self, variable: &Variable, most: f64) -> Duration {
        self.value(variable, |text| {
            let seconds: f64 = text.parse().ok()?;
            (0.0..=most).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
        })
    }

    /// A number of days, at least one second.
    pub fn days(&mut self, variable: &Variable) -> Duration {
        self.value(variable, |text| {
            let days: f64 = text.parse().ok()?;
            let is_valid = (1.0 / 86_400.0..=36_500.0).contains(&days);
            is_valid.then(|| Duration::from_secs_f64(days * 86_400.0))
        })
    }
}

/// A text without control characters.
pub fn one_line(text: &str) -> Option<String> {
    (!text.contains(char::is_control)).then(|| text.to_owned())
}
