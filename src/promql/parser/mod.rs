//! A precedence parser. Names of rules and messages follow Prometheus.

mod matching;
mod postfix;
mod primary;
mod selector;
mod stream;

use super::check;
use super::error::ParseError;
use super::labels::Matcher;
use super::lexer::{TokenKind, error_at, tokens};
use super::limits::MAX_QUERY_BYTES;
use super::tree::{Binary, Expr, Kind, Operator, Selector, Shift};

use stream::{Outcome, Stream};

/// A query that is valid by itself.
#[derive(Debug, Clone)]
pub struct Query {
    pub text: String,
    pub expr: Expr,
}

/// Reads a query and checks its types.
pub fn parse(text: &str) -> Result<Query, ParseError> {
    if text.len() > MAX_QUERY_BYTES {
        let message = format!("query has {} bytes, expected at most {MAX_QUERY_BYTES}", text.len());
        return Err(ParseError { line: 1, column: 1, message });
    }
    let mut stream = Stream::new(text, tokens(text)?);
    if stream.peek() == &TokenKind::End {
        return Err(stream.error_here("no expression found in input"));
    }
    let expr = stream.expression(0)?;
    if stream.peek() != &TokenKind::End {
        return Err(stream.unexpected("end of input"));
    }
    check::check(&expr).map_err(|fault| stream.error_at(fault.span, fault.message))?;
    Ok(Query { text: text.to_owned(), expr })
}

/// The matchers of a selector without a range, an offset or a time.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let Query { expr, .. } = parse(text)?;
    match expr.kind {
        Kind::Selector(Selector { matchers, shift, .. }) if shift == Shift::default() => {
            Ok(matchers)
        }
        _ => Err(error_at(
            text,
            expr.span.start,
            "expected a selector such as name{label=\"value\"}",
        )),
    }
}

/// Binds tighter than every operator but `^`.
const UNARY_BINDING: u8 = 6;

impl Stream<'_> {
    /// An expression whose binary operators bind at least as tight as `lowest`.
    pub fn expression(&mut self, lowest: u8) -> Outcome<Expr> {
        self.enter()?;
        let mut left = self.unary()?;
        while let Some((operator, binding)) = operator(self.peek()) {
            if binding < lowest {
                break;
            }
            let operator_span = self.next().span;
            let (is_bool, matching) = matching::modifiers(self)?;
            // `^` is right-associative.
            let right_binding = if operator == Operator::Power { binding } else { binding + 1 };
            let right = self.expression(right_binding)?;
            let span = left.span.to(right.span);
            let binary = Binary { operator, left, right, is_bool, matching, operator_span };
            left = self.limited(Expr::new(Kind::Binary(Box::new(binary)), span))?;
        }
        self.leave();
        Ok(left)
    }

    fn unary(&mut self) -> Outcome<Expr> {
        let is_minus = self.is_symbol("-");
        if !is_minus && !self.is_symbol("+") {
            let primary = primary::primary(self)?;
            return postfix::postfix(self, primary);
        }
        let sign = self.next().span;
        let operand = self.expression(UNARY_BINDING)?;
        let span = sign.to(operand.span);
        let operand = Box::new(operand);
        let kind = if is_minus { Kind::Negate(operand) } else { Kind::Same(operand) };
        self.limited(Expr::new(kind, span))
    }
}

/// The binary operator that a token is, and how tight it binds.
fn operator(token: &TokenKind) -> Option<(Operator, u8)> {
    let operator = match token {
        TokenKind::Symbol(symbol) => match *symbol {
            "+" => (Operator::Add, 4),
            "-" => (Operator::Subtract, 4),
            "*" => (Operator::Multiply, 5),
            "/" => (Operator::Divide, 5),
            "%" => (Operator::Modulo, 5),
            "^" => (Operator::Power, 6),
            "==" => (Operator::Equal, 3),
            "!=" => (Operator::NotEqual, 3),
            "<" => (Operator::Less, 3),
            "<=" => (Operator::LessOrEqual, 3),
            ">" => (Operator::Greater, 3),
            ">=" => (Operator::GreaterOrEqual, 3),
            _ => return None,
        },
        TokenKind::Identifier(word) => match word.to_ascii_lowercase().as_str() {
            "or" => (Operator::Or, 1),
            "and" => (Operator::And, 2),
            "unless" => (Operator::Unless, 2),
            "atan2" => (Operator::Atan2, 5),
            _ => return None,
        },
        _ => return None,
    };
    Some(operator)
}
