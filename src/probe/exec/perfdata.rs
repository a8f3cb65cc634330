//! Performance data of a plugin: `'label'=value[UOM];[warn];[crit];[min];[max]`, separated by
//! spaces (Nagios plugin development guidelines, "Performance data").

use crate::domain::outcome::escape_control;
use crate::domain::{Decimal, Perfdata};

/// Most values that are kept of one result.
pub const VALUES_LIMIT: usize = 64;

/// Longest label, in characters. Values with a longer one are left out.
const LABEL_MAX_CHARS: usize = 128;

/// Longest unit and longest range, in characters.
const FIELD_MAX_CHARS: usize = 32;

/// The values in `text`, at most [`VALUES_LIMIT`]. What is not performance data is left out, and of
/// values with the same label all but the first.
pub fn parse(text: &str) -> Vec<Perfdata> {
    let (mut values, mut rest) = (Vec::<Perfdata>::new(), text);
    while values.len() < VALUES_LIMIT {
        // Some plugins also write commas between the values.
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            break;
        }
        let label;
        (label, rest) = split_label(rest);
        let (fields, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        rest = after;
        let value = label.and_then(|label| value_of(&label, fields.trim_end_matches(',')));
        let is_new = |new: &Perfdata| values.iter().all(|known| known.label != new.label);
        values.extend(value.filter(is_new));
    }
    values
}

/// The label at the start of `text` and what follows its equals sign; `None` for the label of a
/// word that has none.
fn split_label(text: &str) -> (Option<String>, &str) {
    match text.strip_prefix('\'') {
        Some(quoted) => split_quoted(quoted).unwrap_or((None, text)),
        None => {
            let end = text.find(|c: char| c == '=' || c.is_whitespace());
            match end.filter(|end| text[*end..].starts_with('=')) {
                Some(end) => (Some(text[..end].to_owned()), &text[end + 1..]),
                None => (None, text),
            }
        }
    }
}

/// As [`split_label`], for the text behind the opening quote. Two quotes are a quote.
fn split_quoted(text: &str) -> Option<(Option<String>, &str)> {
    let (mut label, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('\'')?;
        label.push_str(part);
        rest = match after.strip_prefix('\'') {
            Some(after) => {
                label.push('\'');
                after
            }
            None => return Some((Some(label), after.strip_prefix('=')?)),
        };
    }
}

fn value_of(label: &str, fields: &str) -> Option<Perfdata> {
    let label = escape_control(label.trim().to_owned());
    let mut fields = fields.split(';');
    let first = fields.next()?;
    let (value, unit) = match first.strip_prefix('U') {
        Some(unit) => (None, unit),
        None => split_unit(first).map(|(value, unit)| (Some(value), unit))?,
    };
    let fits =
        |text: &str, most: usize| text.chars().count() <= most && !text.contains(char::is_control);
    if label.is_empty() || !fits(&label, LABEL_MAX_CHARS) || !fits(unit, FIELD_MAX_CHARS) {
        return None;
    }
    let mut range = || {
        let range = fields.next().filter(|range| !range.is_empty())?;
        fits(range, FIELD_MAX_CHARS).then(|| range.to_owned())
    };
    let (warning, critical) = (range(), range());
    let mut bound = || fields.next().and_then(Decimal::parse);
    let (min, max) = (bound(), bound());
    Some(Perfdata { label, value, unit: unit.to_owned(), warning, critical, min, max })
}

/// The number at the start of `text`, and its unit.
fn split_unit(text: &str) -> Option<(Decimal, &str)> {
    let is_part = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    // An exponent, unless the `e` begins a unit.
    let exponent = text[end..].strip_prefix(['e', 'E']).map(|after| {
        let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        (length > 0).then(|| text.len() - digits.len() + length)
    });
    let end = exponent.flatten().unwrap_or(end);
    Some((Decimal::parse(&text[..end])?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Label, value, unit, ranges and bounds of each value.
    fn parsed(text: &str) -> Vec<String> {
        let shown = |value: Perfdata| {
            let number = |number: Option<Decimal>| {
                number.map_or("-".to_owned(), |number| number.value().to_string())
            };
            let text = |text: Option<String>| text.unwrap_or("-".to_owned());
            let Perfdata { label, value, unit, warning, critical, min, max } = value;
            let (warning, critical) = (text(warning), text(critical));
            format!(
                "{label}|{}|{unit}|{warning}|{critical}|{}|{}",
                number(value),
                number(min),
                number(max)
            )
        };
        parse(text).into_iter().map(shown).collect()
    }

    #[test]
    fn the_forms_of_the_guidelines_are_parsed() {
        for (text, expected) in [
            (
                "time=0.012s;;;0.000;10.000 size=613B;;;0",
                vec!["time|0.012|s|-|-|0|10", "size|613|B|-|-|0|-"],
            ),
            ("/=2643MB;5948;5958;0;5968", vec!["/|2643|MB|5948|5958|0|5968"]),
            (
                "load1=0.5;~:5;@10:20 'it''s = a'=-7%",
                vec!["load1|0.5||~:5|@10:20|-|-", "it's = a|-7|%|-|-|-|-"],
            ),
            ("rta=U;1;2 c=12c", vec!["rta|-||1|2|-|-", "c|12|c|-|-|-|-"]),
            (
                "percent_packet_loss=0, rta=0.80",
                vec!["percent_packet_loss|0||-|-|-|-", "rta|0.8||-|-|-|-"],
            ),
            (
                "a=1e3B b=1exa c=2e-2",
                vec!["a|1000|B|-|-|-|-", "b|1|exa|-|-|-|-", "c|0.02||-|-|-|-"],
            ),
            ("a=1;;;\nb=2", vec!["a|1||-|-|-|-", "b|2||-|-|-|-"]),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_performance_data_is_left_out() {
        assert_eq!(parsed("junk a=x =5 ''=1 'open=3 b=2"), ["b|2||-|-|-|-"]);
        assert_eq!(parsed("a=1 a=2"), ["a|1||-|-|-|-"], "the first of two");
        assert_eq!(parsed(&format!("{}=1", "x".repeat(129))), [""; 0]);
        assert_eq!(parsed("a\u{1}=1"), ["a\\u{1}|1||-|-|-|-"]);
        let many: String = (0..100).map(|nth| format!("v{nth}={nth} ")).collect();
        assert_eq!(parse(&many).len(), VALUES_LIMIT);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_within_the_limits(text in "([a'=;0-9U. \\n,%é-]|'a'=1){0,60}") {
            for value in parse(&text) {
                prop_assert!(!value.label.is_empty() && value.label.chars().count() <= 128);
                prop_assert!(value.value.is_none_or(|value| value.value().is_finite()));
            }
        }
    }
}
