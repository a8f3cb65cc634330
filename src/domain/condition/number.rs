//! Numbers of any size, compared exactly by value.

use std::cmp::Ordering;
use std::fmt;

/// Largest absolute exponent of a power of ten; a text beyond is no number.
const MAX_EXPONENT: i64 = 1_000_000;

/// Most digits of a number that is printed without an exponent.
const MAX_PRINTED_DIGITS: i64 = 40;

/// A decimal number: `digits` × 10^`exponent`.
///
/// Invariants: `digits` are ASCII digits without leading and trailing zeros; zero has no digits,
/// exponent 0 and no sign. So equal numbers have equal fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    /// Parses a decimal number (`-1.50`, `2e3`, `.5`), or an integer in the notation of Go with
    /// the prefix `0x`, `0o` or `0b` of at most 128 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, magnitude) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let parsed = based(magnitude).or_else(|| decimal(magnitude))?;
        Some(Self { is_negative: is_negative && !parsed.digits.is_empty(), ..parsed })
    }

    /// Parses an integer: decimal digits or a prefix, without a fraction and an exponent.
    pub fn integer(text: &str) -> Option<Self> {
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        (magnitude.bytes().all(is_digit) || based(magnitude).is_some())
            .then(|| Self::parse(text))?
    }

    /// The number of milliseconds in `seconds`, rounded to nanoseconds.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        Self::parse(&format!("{:.6}", seconds * 1e3))
    }

    fn normalised(digits: &str, exponent: i64) -> Self {
        let leading = digits.trim_start_matches('0');
        let digits = leading.trim_end_matches('0');
        if digits.is_empty() {
            return Self { is_negative: false, digits: String::new(), exponent: 0 };
        }
        let exponent = exponent + (leading.len() - digits.len()) as i64;
        Self { is_negative: false, digits: digits.to_owned(), exponent }
    }

    /// Position of the first digit before the decimal point; `None` for zero.
    fn magnitude(&self) -> Option<i64> {
        (!self.digits.is_empty()).then(|| self.digits.len() as i64 + self.exponent)
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        // Without trailing zeros, digits of the same magnitude compare as texts.
        self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits))
    }
}

/// An integer with the prefix of its base.
fn based(text: &str) -> Option<Number> {
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let (digits, radix) = prefixes
        .into_iter()
        .find_map(|(prefix, radix)| Some((text.strip_prefix(prefix)?, radix)))?;
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = u128::from_str_radix(digits, radix).ok()?;
    Some(Number::normalised(&number.to_string(), 0))
}

fn decimal(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let is_digits = exponent.trim_start_matches(['+', '-']).bytes().all(is_digit);
            let exponent: i64 = exponent.parse().ok().filter(|_| is_digits)?;
            (mantissa, exponent)
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = whole.bytes().chain(fraction.bytes()).all(is_digit)
        && whole.len() + fraction.len() > 0
        && exponent.abs() <= MAX_EXPONENT;
    is_number.then(|| {
        Number::normalised(&format!("{whole}{fraction}"), exponent - fraction.len() as i64)
    })
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// In the shortest decimal form: `5` for `5.0`, `1.1` for `1.10`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        let Some(magnitude) = self.magnitude() else { return f.write_str("0") };
        if magnitude > MAX_PRINTED_DIGITS || self.exponent < -MAX_PRINTED_DIGITS {
            return write!(f, "{sign}{}e{}", self.digits, self.exponent);
        }
        if self.exponent >= 0 {
            return write!(f, "{sign}{}{}", self.digits, "0".repeat(self.exponent as usize));
        }
        if magnitude <= 0 {
            let zeros = "0".repeat(magnitude.unsigned_abs() as usize);
            return write!(f, "{sign}0.{zeros}{}", self.digits);
        }
        let (whole, fraction) = self.digits.split_at(magnitude as usize);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn notations_of_one_number_are_equal() {
        for (left, right) in [
            ("1.10", "1.1"),
            ("200.0", "200"),
            ("0xfe", "254"),
            ("0b11", "0o3"),
            ("2e3", "2000"),
            ("1.5E-2", "0.015"),
            (".5", "0.50"),
            ("-0", "0"),
            ("007", "7"),
            ("0xffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455"),
        ] {
            assert_eq!(number(left), number(right), "{left} {right}");
        }
    }

    #[test]
    fn size_is_exact_beyond_64_bits() {
        let ascending = [
            "-1e30",
            "-12345678901234567890123456",
            "-1.5",
            "-0.2",
            "0",
            "1e-9",
            "0.30000000000000001",
            "0.30000000000000002",
            "9007199254740993",
            "9007199254740994",
            "18446744073709551616",
            "18446744073709551617",
            "1e20",
        ];
        for pair in ascending.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_number_is_rejected() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "1e9999999",
            "0x",
            "0x-1",
            "1_000",
            "1 ",
            "½",
            "--1",
            "0b2",
            "inf",
            "NaN",
            "1.2.3",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_and_print_as_integers(a in any::<i64>(), b in any::<i64>()) {
            let (left, right) = (number(&a.to_string()), number(&b.to_string()));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(left.to_string(), a.to_string());
        }

        #[test]
        fn a_printed_number_parses_back(text in "-?[0-9]{0,30}(\\.[0-9]{0,30})?(e-?[0-9]{1,4})?") {
            if let Some(number) = Number::parse(&text) {
                prop_assert_eq!(Number::parse(&number.to_string()), Some(number));
            }
        }
    }
}
