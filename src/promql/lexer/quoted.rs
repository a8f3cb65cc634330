//! String literals.

/// Offset in the literal, and what is wrong there.
type Fault = (usize, String);

/// The value of the literal at the beginning of `text`, and its length in bytes.
pub fn unquote(text: &str) -> Result<(String, usize), Fault> {
    let unterminated = || (0, "unterminated quoted string".to_owned());
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else { return Err(unterminated()) };
    if quote == '`' {
        let end = text[1..].find('`').ok_or_else(unterminated)?;
        return Ok((text[1..=end].to_owned(), end + 2));
    }
    let mut bytes = Vec::new();
    let mut at = 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let next = rest.chars().next().ok_or_else(unterminated)?;
        match next {
            '\n' => return Err(unterminated()),
            '\\' => at += escape(rest, quote, &mut bytes).map_err(|message| (at, message))?,
            _ if next == quote => break,
            _ => {
                bytes.extend_from_slice(&rest.as_bytes()[..next.len_utf8()]);
                at += next.len_utf8();
            }
        }
    }
    let value = String::from_utf8(bytes)
        .map_err(|_| (0, "string literal is not valid UTF-8".to_owned()))?;
    Ok((value, at + 1))
}

/// Appends the bytes of the escape sequence at the beginning of `text`; its length.
fn escape(text: &str, quote: char, bytes: &mut Vec<u8>) -> Result<usize, String> {
    let unknown = |length: usize| {
        let sequence: String = text.chars().take(length).collect();
        format!("unknown escape sequence: {sequence}")
    };
    let Some(letter) = text.chars().nth(1) else { return Err(unknown(2)) };
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = text.get(from..from + count)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    let simple = match letter {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        _ if letter == quote => u8::try_from(quote).ok(),
        _ => None,
    };
    if let Some(byte) = simple {
        bytes.push(byte);
        return Ok(2);
    }
    let (length, byte) = match letter {
        'x' => (4, digits(2, 2, 16)),
        '0'..='7' => (4, digits(1, 3, 8)),
        'u' | 'U' => {
            let count = if letter == 'u' { 4 } else { 8 };
            let character = digits(2, count, 16).and_then(char::from_u32);
            let character = character.ok_or_else(|| unknown(2 + count))?;
            let mut buffer = [0; 4];
            bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            return Ok(2 + count);
        }
        _ => return Err(unknown(2)),
    };
    bytes.push(byte.and_then(|byte| u8::try_from(byte).ok()).ok_or_else(|| unknown(length))?);
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        for (literal, value) in [
            (r#""a\"b'c""#, "a\"b'c"),
            (r"'a\'b'", "a'b"),
            (r"`a\nb`", r"a\nb"),
            (r#""\x41\102\u00e9\U0001F600\t""#, "AB\u{e9}\u{1F600}\t"),
            (r#""\xc3\xa9""#, "\u{e9}"),
        ] {
            assert_eq!(unquote(literal), Ok((value.to_owned(), literal.len())), "{literal}");
        }
        for invalid in [r#""\'""#, r#""\x4""#, r#""\400""#, r#""\ud800""#, r#""\xff""#, "\"a\nb\""]
        {
            assert!(unquote(invalid).is_err(), "{invalid}");
        }
    }
}
