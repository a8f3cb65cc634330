//! `match[]`, and names of labels in paths.

use crate::promql::{Matcher, parse_selector};

use super::envelope::PrometheusError;
use super::parameters::Parameters;

/// The matchers of each `match[]`.
pub fn selectors(parameters: &Parameters) -> Result<Vec<Vec<Matcher>>, PrometheusError> {
    let texts = parameters.all("match[]").filter(|text| !text.is_empty());
    let selectors = texts.map(|text| {
        parse_selector(text).map_err(|error| PrometheusError::invalid("match[]", error))
    });
    selectors.collect()
}

/// A name that a client escaped: `U__` before it, `__` for `_`, and `_2e_` for a character by its
/// code. A name without that prefix, or escaped wrongly, is the name itself.
pub fn unescaped(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut plain = String::new();
    let mut rest = escaped;
    while let Some(place) = rest.find('_') {
        plain.push_str(&rest[..place]);
        rest = &rest[place + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let Some((code, after)) = rest.split_once('_') else { return name.to_owned() };
        let character = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let Some(character) = character else { return name.to_owned() };
        plain.push(character);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(unescaped("__name__"), "__name__");
        assert_eq!(unescaped("U__a_2e_b__c"), "a.b_c");
        assert_eq!(unescaped("U__plain"), "plain");
        assert_eq!(unescaped("U__a_zz_"), "U__a_zz_");
        assert_eq!(unescaped("U__a_"), "U__a_");
    }
}
