//! The tokens that are left, and errors at their places.

use crate::promql::error::ParseError;
use crate::promql::lexer::{Token, TokenKind, error_at};
use crate::promql::limits::MAX_DEPTH;
use crate::promql::position::Span;
use crate::promql::tree::Expr;

pub type Outcome<T> = Result<T, ParseError>;

pub struct Stream<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl<'a> Stream<'a> {
    /// The last token is the end.
    pub fn new(text: &'a str, tokens: Vec<Token>) -> Self {
        Self { text, tokens, at: 0, depth: 0 }
    }

    pub fn peek(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    /// The token after the next one.
    pub fn peek_second(&self) -> &TokenKind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    pub fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// Where the token before the next one ends.
    pub fn end_of_previous(&self) -> usize {
        self.tokens[self.at.saturating_sub(1)].span.end
    }

    pub fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), TokenKind::Symbol(other) if *other == symbol)
    }

    /// Whether the next token is the keyword, in any case.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), TokenKind::Identifier(other) if other.eq_ignore_ascii_case(word))
    }

    pub fn accept_symbol(&mut self, symbol: &str) -> bool {
        let is_next = self.is_symbol(symbol);
        if is_next {
            self.next();
        }
        is_next
    }

    pub fn accept_word(&mut self, word: &str) -> bool {
        let is_next = self.is_word(word);
        if is_next {
            self.next();
        }
        is_next
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Outcome<Span> {
        if !self.is_symbol(symbol) {
            return Err(self.unexpected(&format!("{symbol:?}")));
        }
        Ok(self.next().span)
    }

    /// Counts a nested expression.
    pub fn enter(&mut self) -> Outcome<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.too_deep(self.span())) } else { Ok(()) }
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Fails for an expression that is nested too deep.
    pub fn limited(&self, expr: Expr) -> Outcome<Expr> {
        if expr.height > MAX_DEPTH { Err(self.too_deep(expr.span)) } else { Ok(expr) }
    }

    fn too_deep(&self, span: Span) -> ParseError {
        self.error_at(span, format!("expressions are nested more than {MAX_DEPTH} deep"))
    }

    pub fn error_at(&self, span: Span, message: impl Into<String>) -> ParseError {
        error_at(self.text, span.start, message)
    }

    pub fn error_here(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.span(), message)
    }

    pub fn unexpected(&self, expected: &str) -> ParseError {
        let found = match self.peek() {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Text(_) => "string".to_owned(),
            _ => {
                let span = self.span();
                format!("{:?}", &self.text[span.start..span.end])
            }
        };
        self.error_here(format!("unexpected {found}, expected {expected}"))
    }
}
