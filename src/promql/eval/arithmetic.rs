//! Binary operators on numbers.

use crate::promql::tree::Operator;

/// The value of a comparison is that of its left side.
pub fn compute(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        Operator::Power => left.powf(right),
        Operator::Atan2 => left.atan2(right),
        _ => left,
    }
}

/// Whether a comparison holds; true for the other operators.
pub fn holds(operator: Operator, left: f64, right: f64) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
        _ => true,
    }
}

pub fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}
