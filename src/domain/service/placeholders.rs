//! Placeholders in the texts that a probe sends, as in Gatus: `[ENDPOINT_NAME]` and others.

use std::borrow::Cow;

use crate::domain::service::definition::Service;
use crate::domain::service::label::Group;

/// Longest random text, in characters, as in Gatus; a greater length counts as this one.
pub const RANDOM_MAX_CHARS: usize = 8_192;

/// Longest text with a placeholder filled in, in bytes.
pub const FILLED_MAX_BYTES: usize = 4 * 1024 * 1024;

const RANDOM: &str = "RANDOM_STRING_";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    Name,
    /// Empty for a service without a group.
    Group,
    Url,
    /// Address and port of this machine, of the connection over which the text is sent.
    LocalAddress,
    /// A random text of this length, of letters and digits.
    Random(usize),
}

/// The filled text would exceed [`FILLED_MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {FILLED_MAX_BYTES} bytes with its placeholders filled in")]
pub struct FilledTooLong;

impl Placeholder {
    fn parse(inner: &str) -> Option<Self> {
        match inner {
            "ENDPOINT_NAME" => Some(Self::Name),
            "ENDPOINT_GROUP" => Some(Self::Group),
            "ENDPOINT_URL" => Some(Self::Url),
            "LOCAL_ADDRESS" => Some(Self::LocalAddress),
            _ => {
                let digits = inner.strip_prefix(RANDOM)?;
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let length = digits.parse().unwrap_or(RANDOM_MAX_CHARS).min(RANDOM_MAX_CHARS);
                is_number.then_some(Self::Random(length))
            }
        }
    }

    /// The value that depends on the service alone.
    pub fn value_of(self, service: &Service) -> Option<String> {
        match self {
            Self::Name => Some(service.name.as_str().to_owned()),
            Self::Group => {
                Some(service.group.as_ref().map(Group::as_str).unwrap_or_default().to_owned())
            }
            Self::Url | Self::LocalAddress | Self::Random(_) => None,
        }
    }
}

/// `text` with the placeholders replaced by what `value` returns; one without a value stays. A
/// value is not searched for placeholders.
pub fn fill(
    text: &str,
    mut value: impl FnMut(Placeholder) -> Option<String>,
) -> Result<Cow<'_, str>, FilledTooLong> {
    let mut filled = String::new();
    let mut rest = text;
    for (literal, placeholder, after) in find_all(text) {
        if let Some(value) = value(placeholder) {
            filled.push_str(literal);
            filled.push_str(&value);
        } else {
            filled.push_str(&rest[..rest.len() - after.len()]);
        }
        if filled.len() > FILLED_MAX_BYTES {
            return Err(FilledTooLong);
        }
        rest = after;
    }
    if filled.is_empty() && rest.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    filled.push_str(rest);
    Ok(Cow::Owned(filled))
}

/// The texts between the placeholders.
pub fn literals(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut last = Some(());
    let mut found = find_all(text);
    std::iter::from_fn(move || match found.next() {
        Some((literal, _, after)) => {
            rest = after;
            Some(literal)
        }
        None => last.take().map(|()| rest),
    })
}

/// Each placeholder with the text between it and the one before it, and the text behind it.
fn find_all(text: &str) -> impl Iterator<Item = (&str, Placeholder, &str)> {
    let (mut start, mut from) = (0, 0);
    std::iter::from_fn(move || {
        loop {
            let open = from + text[from..].find('[')?;
            let inner = &text[open + 1..];
            let end = inner.find([']', '[']);
            let placeholder = end
                .filter(|end| inner[*end..].starts_with(']'))
                .and_then(|end| Some((Placeholder::parse(&inner[..end])?, open + end + 2)));
            let Some((placeholder, after)) = placeholder else {
                from = open + 1;
                continue;
            };
            let literal = &text[start..open];
            (start, from) = (after, after);
            return Some((literal, placeholder, &text[after..]));
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str) -> String {
        let value = |placeholder| match placeholder {
            Placeholder::Name => Some("n[ENDPOINT_GROUP]".to_owned()),
            Placeholder::Group => Some(String::new()),
            Placeholder::Url => Some("http://a/".to_owned()),
            Placeholder::LocalAddress => None,
            Placeholder::Random(length) => Some("r".repeat(length)),
        };
        fill(text, value).unwrap().into_owned()
    }

    #[test]
    fn placeholders_are_filled_and_nothing_else() {
        for (text, expected) in [
            ("[ENDPOINT_NAME] at [ENDPOINT_URL]", "n[ENDPOINT_GROUP] at http://a/"),
            ("<[ENDPOINT_GROUP]>", "<>"),
            ("[RANDOM_STRING_3][RANDOM_STRING_0]!", "rrr!"),
            ("[[RANDOM_STRING_2]]", "[rr]"),
            ("[LOCAL_ADDRESS] [ENDPOINT_URL]", "[LOCAL_ADDRESS] http://a/"),
            (
                "[RANDOM_STRING_] [RANDOM_STRING_+1] [RANDOM_STRING_1",
                "[RANDOM_STRING_] \
              [RANDOM_STRING_+1] [RANDOM_STRING_1",
            ),
            ("[endpoint_name] [1, 2] [ENDPOINT_NAME", "[endpoint_name] [1, 2] [ENDPOINT_NAME"),
            ("", ""),
            ("ü[ENDPOINT_GROUP]ß", "üß"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        for long in ["8192", "8193", "99999999999999999999999"] {
            assert_eq!(filled(&format!("[RANDOM_STRING_{long}]")).len(), 8_192);
        }
    }

    #[test]
    fn a_text_is_filled_up_to_a_limit() {
        let text = "[RANDOM_STRING_8192]".repeat(1_000);
        let random = |placeholder| match placeholder {
            Placeholder::Random(length) => Some("r".repeat(length)),
            _ => None,
        };
        assert_eq!(fill(&text, random), Err(FilledTooLong));
    }

    proptest! {
        #[test]
        fn a_text_without_values_stays(text in "(\\[ENDPOINT_URL\\]|\\[|\\]|[A-Zü_]{0,3}){0,8}") {
            prop_assert_eq!(fill(&text, |_| None).unwrap(), text.as_str());
            let joined: Vec<&str> = literals(&text).collect();
            prop_assert_eq!(joined.join("[ENDPOINT_URL]"), text);
        }
    }
}
