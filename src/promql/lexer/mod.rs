//! The tokens of a query.

mod quoted;

use super::duration::parse_duration;
use super::error::ParseError;
use super::number::parse_number;
use super::position::{Span, line_and_column};

#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// Also a keyword; metric names have colons.
    Identifier(String),
    Number(f64),
    /// In milliseconds.
    Duration(i64),
    Text(String),
    Symbol(&'static str),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

/// Longer symbols before their beginnings.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "=~", "!~", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "^", "(", ")", "{",
    "}", "[", "]", ",", ":", "@",
];

/// The tokens of `text`; the last one is [`TokenKind::End`].
pub fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0, is_in_brackets: false };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let is_last = token.kind == TokenKind::End;
        tokens.push(token);
        if is_last {
            return Ok(tokens);
        }
    }
}

/// An error at the byte `offset` of `text`.
pub fn error_at(text: &str, offset: usize, message: impl Into<String>) -> ParseError {
    let (line, column) = line_and_column(text, offset);
    ParseError { line, column, message: message.into() }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// There a colon separates range and step, and begins no metric name.
    is_in_brackets: bool,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_space();
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => TokenKind::End,
            Some('"' | '\'' | '`') => {
                let (value, length) = quoted::unquote(self.rest())
                    .map_err(|(offset, message)| error_at(self.text, start + offset, message))?;
                self.at += length;
                TokenKind::Text(value)
            }
            Some(first) if first.is_ascii_digit() || self.is_fraction() => self.number()?,
            Some(':') if self.is_in_brackets => self.symbol(":"),
            Some(first) if first.is_ascii_alphabetic() || first == '_' || first == ':' => {
                let colon = !self.is_in_brackets;
                let word = self.take_while(|other| {
                    other.is_ascii_alphanumeric() || other == '_' || (colon && other == ':')
                });
                TokenKind::Identifier(word.to_owned())
            }
            Some(first) => {
                let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol))
                else {
                    return Err(error_at(
                        self.text,
                        start,
                        format!("unexpected character: {first:?}"),
                    ));
                };
                self.symbol(symbol)
            }
        };
        Ok(Token { kind, span: Span { start, end: self.at } })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether a number without digits before its point follows.
    fn is_fraction(&self) -> bool {
        let mut bytes = self.rest().bytes();
        bytes.next() == Some(b'.') && bytes.next().is_some_and(|next| next.is_ascii_digit())
    }

    fn symbol(&mut self, symbol: &'static str) -> TokenKind {
        self.at += symbol.len();
        match symbol {
            "[" => self.is_in_brackets = true,
            "]" => self.is_in_brackets = false,
            _ => {}
        }
        TokenKind::Symbol(symbol)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|other| !belongs(other)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Spaces, line feeds, and comments from `#` to the end of their line.
    fn skip_space(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with('#') {
                return;
            }
            self.take_while(|other| other != '\n');
        }
    }

    /// A number or a duration: what begins with a digit and has letters is one of both.
    fn number(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let mut word = self.take_while(|other| other.is_ascii_alphanumeric() || other == '.');
        let is_hexadecimal = word.starts_with("0x") || word.starts_with("0X");
        let exponent_follows = !is_hexadecimal
            && word.ends_with(['e', 'E'])
            && word.len() > 1
            && self.rest().starts_with(['+', '-']);
        if exponent_follows {
            self.at += 1;
            self.take_while(|other| other.is_ascii_digit());
            word = &self.text[start..self.at];
        }
        let follows = self.rest().starts_with(|next: char| next == '_' || next.is_alphanumeric());
        if !follows {
            if let Some(duration) = parse_duration(word) {
                return Ok(TokenKind::Duration(duration));
            }
            if word.starts_with(|first: char| first.is_ascii_digit() || first == '.')
                && let Some(number) = parse_number(word)
            {
                return Ok(TokenKind::Number(number));
            }
        }
        Err(error_at(self.text, start, format!("bad number or duration syntax: {word:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn colons_belong_to_names_outside_of_brackets_only() {
        use TokenKind::{Duration, End, Identifier, Symbol};
        assert_eq!(
            kinds("a:b[1h:5m] # a comment"),
            [
                Identifier("a:b".into()),
                Symbol("["),
                Duration(3_600_000),
                Symbol(":"),
                Duration(300_000),
                Symbol("]"),
                End
            ]
        );
    }

    #[test]
    fn numbers_and_durations_differ_by_their_units() {
        use TokenKind::{Duration, End, Number, Symbol};
        assert_eq!(kinds("1e3 -.5"), [Number(1000.0), Symbol("-"), Number(0.5), End]);
        assert_eq!(kinds("1.2e-3"), [Number(0.0012), End]);
        assert_eq!(kinds("0x1e+1"), [Number(30.0), Symbol("+"), Number(1.0), End]);
        assert_eq!(kinds("1d"), [Duration(86_400_000), End]);
        assert_eq!(kinds("1./6."), [Number(1.0), Symbol("/"), Number(6.0), End]);
    }

    #[test]
    fn errors_have_a_place() {
        let message = |text| tokens(text).unwrap_err().to_string();
        assert_eq!(message("a +\n 5x"), "2:2: parse error: bad number or duration syntax: \"5x\"");
        assert_eq!(message("a ; b"), "1:3: parse error: unexpected character: ';'");
        assert_eq!(message("\"ab"), "1:1: parse error: unterminated quoted string");
        assert_eq!(message("'a\\q'"), "1:3: parse error: unknown escape sequence: \\q");
    }
}
