//! How values are written into bodies, paths and headers, so that no name and no answer of a target
//! can change what is around it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::alerting::row::Markup;

/// Longest text of a target in a message, in bytes.
pub const TEXT_LIMIT: usize = 1_024;

/// Everything but unreserved characters (RFC 3986, section 2.3) and the colon, which tokens have
/// and receivers do not always decode.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// `text` for a body of `markup`.
pub fn escape(markup: Markup, text: &str) -> String {
    match markup {
        Markup::Plain => text.to_owned(),
        Markup::Html => each(text, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '"' => Some("&quot;"),
            '\'' => Some("&#39;"),
            _ => None,
        }),
        Markup::Telegram => each(text, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '"' => Some("&quot;"),
            _ => None,
        }),
        Markup::Slack => each(text, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            _ => None,
        }),
        Markup::Markdown => markdown(text),
    }
}

fn each(text: &str, replaced: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match replaced(c) {
            Some(with) => escaped.push_str(with),
            None => escaped.push(c),
        }
    }
    escaped
}

/// Backslashes before the characters that have a meaning, but not in URLs, which receivers make
/// links of as they are.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        if is_url(word.trim_end()) {
            escaped.push_str(word);
            continue;
        }
        for c in word.chars() {
            if matches!(
                c,
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '|' | '#' | '(' | ')' | '!'
            ) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
    }
    escaped
}

/// Whether `word` is a URL of characters without a meaning in Markdown.
fn is_url(word: &str) -> bool {
    (word.starts_with("https://") || word.starts_with("http://"))
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/?#@$&+,;=%".contains(&b))
}

/// `text` as a part of a path or a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// `text` as a part of a header value: without control characters.
pub fn header(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A text of a target or of a definition, in one line: without control characters and without
/// characters that turn the direction of the text or that are invisible; at most `limit` bytes.
pub fn clean(text: &str, limit: usize) -> String {
    let cleaned = clean_lines(text, limit);
    if cleaned.contains('\n') { cleaned.replace('\n', " ") } else { cleaned }
}

/// As [`clean`], but newlines stay.
pub fn clean_lines(text: &str, limit: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        let c = match c {
            '\n' => '\n',
            '\r' => continue,
            c if c.is_control() => ' ',
            c if is_invisible(c) => continue,
            c => c,
        };
        if cleaned.len() + c.len_utf8() > limit {
            cleaned.truncate(cleaned.floor_char_boundary(limit.saturating_sub('…'.len_utf8())));
            cleaned.push('…');
            return cleaned;
        }
        cleaned.push(c);
    }
    cleaned
}

/// Marks and controls of direction, joiners, and the like.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// At most `limit` characters of `text`, the last of which is `…` when it is cut.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).take(limit).collect()
}

/// As [`cut`], for a text that is escaped already: no entity and no escape is cut in two.
pub fn cut_escaped(markup: Markup, text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    match markup {
        Markup::Plain => {}
        Markup::Html | Markup::Telegram | Markup::Slack => {
            let open = cut.rfind(['&', '<']);
            if let Some(at) = open.filter(|at| !cut[*at..].contains([';', '>'])) {
                cut.truncate(at);
            }
        }
        Markup::Markdown => {
            let backslashes = cut.bytes().rev().take_while(|byte| *byte == b'\\').count();
            if backslashes % 2 == 1 {
                cut.pop();
            }
        }
    }
    cut.push('…');
    cut
}

/// `text` escaped, in at most `limit` characters.
pub fn escape_within(markup: Markup, text: &str, limit: usize) -> String {
    cut_escaped(markup, &escape(markup, text), limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Markup; 5] =
        [Markup::Plain, Markup::Html, Markup::Telegram, Markup::Slack, Markup::Markdown];

    #[test]
    fn each_markup_escapes_what_has_a_meaning_in_it() {
        let name = "a_b*<&\"'\\";
        for (markup, expected) in [
            (Markup::Plain, name),
            (Markup::Html, "a_b*&lt;&amp;&quot;&#39;\\"),
            (Markup::Telegram, "a_b*&lt;&amp;&quot;'\\"),
            (Markup::Slack, "a_b*&lt;&amp;\"'\\"),
            (Markup::Markdown, "a\\_b\\*\\<&\"'\\\\"),
        ] {
            assert_eq!(escape(markup, name), expected);
        }
        let urls = "see https://h/a_b?c=d_e or https://h/a*b_c";
        assert_eq!(
            escape(Markup::Markdown, urls),
            "see https://h/a_b?c=d_e or https://h/a\\*b\\_c"
        );
    }

    #[test]
    fn paths_and_headers_have_no_separators() {
        assert_eq!(encode("a/b?c#d%e f\n!x:1"), "a%2Fb%3Fc%23d%25e%20f%0A%21x:1");
        assert_eq!(header("a\r\nX-Evil: 1\0"), "aX-Evil: 1");
    }

    #[test]
    fn a_text_of_a_target_is_one_line_without_invisible_characters() {
        assert_eq!(clean("a\u{202e}b\n\tc\u{200b}d\u{1b}[1m", 100), "ab  cd [1m");
        assert_eq!(clean(&"ü".repeat(600), 1_024).len(), 1_023);
        assert_eq!(clean_lines("a\r\nb", 100), "a\nb");
    }

    proptest! {
        #[test]
        fn a_cut_text_is_within_its_limit_and_ends_between_escapes(
            text in "[a&<>_*\\\\\"'ü; ]{0,60}",
            limit in 1_usize..40,
        ) {
            for markup in ALL {
                let cut = escape_within(markup, &text, limit);
                prop_assert!(cut.chars().count() <= limit, "{cut}");
                let rest = cut.trim_end_matches('…');
                if markup == Markup::Markdown {
                    let open = rest.bytes().rev().take_while(|b| *b == b'\\').count() % 2;
                    prop_assert_eq!(open, 0, "{}", cut);
                } else if markup != Markup::Plain {
                    let entity = rest.rfind('&').is_none_or(|at| rest[at..].contains(';'));
                    prop_assert!(entity, "{cut}");
                }
            }
        }
    }
}
