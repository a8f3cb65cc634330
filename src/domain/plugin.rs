//! The result of a plugin that made an external check (Nagios plugin development guidelines).

/// The report of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginResult {
    pub state: PluginState,
    /// The first line of the output, without performance data.
    pub text: String,
    /// In the order of the output; labels are unique.
    pub perfdata: Vec<Perfdata>,
}

/// The exit code of a plugin (guidelines, "Plugin Return Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginState {
    Ok,
    Warning,
    Critical,
    /// The plugin could not make the check.
    Unknown,
}

impl PluginState {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Ok, "OK"),
        (Self::Warning, "WARNING"),
        (Self::Critical, "CRITICAL"),
        (Self::Unknown, "UNKNOWN"),
    ];

    /// `None` for a code that the guidelines do not define.
    pub fn from_exit_code(code: i32) -> Option<Self> {
        let (state, _) = Self::ALL.get(usize::try_from(code).ok()?)?;
        Some(*state)
    }

    pub fn exit_code(self) -> u16 {
        self as u16
    }

    /// The word of the guidelines.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// One value of performance data (guidelines, "Performance data").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Perfdata {
    pub label: String,
    /// `None` for `U`: the plugin could not determine the value.
    pub value: Option<Decimal>,
    /// Unit of measurement as the plugin writes it, such as `s`, `%` or `B`; empty for a number of
    /// things.
    pub unit: String,
    /// Range of values without a warning, such as `10` or `5:10`.
    pub warning: Option<String>,
    /// Range of values that are not critical.
    pub critical: Option<String>,
    pub min: Option<Decimal>,
    pub max: Option<Decimal>,
}

/// A finite decimal number, with the digits that the plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(Box<str>);

impl Decimal {
    pub fn parse(text: &str) -> Option<Self> {
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let is_finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        (is_decimal && is_finite).then(|| Self(text.into()))
    }

    pub fn value(&self) -> f64 {
        self.0.parse().unwrap_or_default()
    }

    /// The number in JSON; an integer keeps all its digits.
    pub fn json(&self) -> serde_json::Value {
        match self.0.parse::<i64>() {
            Ok(integer) => integer.into(),
            Err(_) => self.value().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn exit_codes_are_the_states_of_the_guidelines() {
        let word = |code| PluginState::from_exit_code(code).map(PluginState::as_str);
        let words = [Some("OK"), Some("WARNING"), Some("CRITICAL"), Some("UNKNOWN"), None];
        assert_eq!([0, 1, 2, 3, 4].map(word), words);
        assert_eq!(word(-1), None);
        for code in 0..4 {
            assert_eq!(PluginState::from_exit_code(code).unwrap().exit_code(), code as u16);
        }
    }

    #[test]
    fn a_decimal_is_finite_and_keeps_its_digits() {
        for (text, json) in [
            ("5", json!(5)),
            ("-0.5", json!(-0.5)),
            (".5", json!(0.5)),
            ("+1e3", json!(1000.0)),
            ("9007199254740993", json!(9_007_199_254_740_993_i64)),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().json(), json, "{text}");
        }
        for bad in ["", "U", "inf", "NaN", "1e999", "1,5", "0x10", "1_000", "--1", " 1"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
