//! Comparisons that are joined by `&&` or `||`, which the language does not have.
//!
//! Gatus accepts them and compares with the rest of the text, so that the condition always or never
//! holds. A services file that was written for Gatus is read as its author meant it.

use crate::domain::condition::expression::{Comparison, Condition, Operand};

const AND: &str = " && ";
const OR: &str = " || ";

/// The operator of a joined condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    And,
    Or,
}

/// The operator of `text` if each part beside it is a comparison, or the rest of one, such as
/// `[STATUS] >= 200 && < 300`; `Or` if both are used. A text to compare with may contain `&&`
/// (`[BODY] == a && b`).
pub fn joint(text: &str) -> Option<Joint> {
    parts(text)?;
    Some(if text.contains(OR) { Joint::Or } else { Joint::And })
}

/// The conditions that mean the same as `text`; `None` when no list of conditions does.
pub fn split(text: &str) -> Option<Vec<Condition>> {
    let parts = parts(text)?;
    match (text.contains(AND), text.contains(OR)) {
        (true, false) => Some(parts),
        (false, true) => any_of(&parts).map(|one| vec![one]),
        _ => None,
    }
}

/// The comparisons beside the operators; at least two.
fn parts(text: &str) -> Option<Vec<Condition>> {
    if !text.contains(AND) && !text.contains(OR) {
        return None;
    }
    let mut parts = text.split(AND).flat_map(|part| part.split(OR)).map(str::trim);
    let first = Condition::define_single(parts.next()?).ok()?;
    let others: Vec<Condition> =
        parts.map(|part| part_after(&first, part)).collect::<Option<_>>()?;
    Some([vec![first], others].concat())
}

/// A comparison, or its end with the beginning of `first`: `< 300` has its left side, and a number
/// its comparison too.
fn part_after(first: &Condition, part: &str) -> Option<Condition> {
    let whole = || Condition::define_single(part).ok();
    let with_left = || Condition::define_single(&format!("{} {part}", first.left)).ok();
    let with_comparison = || {
        let is_number = part.parse::<f64>().is_ok();
        let text = format!("{} {} {part}", first.left, first.comparison.as_str());
        Condition::define_single(&text).ok().filter(|_| is_number)
    };
    whole().or_else(with_left).or_else(with_comparison)
}

/// One comparison with `any()`, if all compare the same value for equality.
fn any_of(parts: &[Condition]) -> Option<Condition> {
    let first = parts.first()?;
    let mut texts = Vec::new();
    for part in parts {
        if part.left != first.left || part.comparison != Comparison::Equal {
            return None;
        }
        match &part.right {
            Operand::Literal(text) => texts.push(text.clone()),
            Operand::Any(more) => texts.extend(more.iter().cloned()),
            _ => return None,
        }
    }
    let text = format!("{} == any({})", first.left, texts.join(", "));
    Condition::define_single(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Option<Vec<String>> {
        split(text).map(|conditions| conditions.iter().map(Condition::to_string).collect())
    }

    #[test]
    fn joined_comparisons_are_split_as_they_are_meant() {
        for (text, conditions) in [
            ("[STATUS] >= 200 && [STATUS] < 300", &["[STATUS] >= 200", "[STATUS] < 300"][..]),
            ("[STATUS] >= 200 && < 300", &["[STATUS] >= 200", "[STATUS] < 300"]),
            (
                "[BODY].a == 1 && [BODY].b == UP && [STATUS] == 200",
                &["[BODY].a == 1", "[BODY].b == UP", "[STATUS] == 200"],
            ),
            ("[STATUS] == 200 || [STATUS] == 401", &["[STATUS] == any(200, 401)"]),
            ("[STATUS] == 200 || == 204", &["[STATUS] == any(200, 204)"]),
            ("[STATUS] == 200 || 301 || 302", &["[STATUS] == any(200, 301, 302)"]),
            ("[STATUS] == any(200, 204) || [STATUS] == 301", &["[STATUS] == any(200, 204, 301)"]),
        ] {
            assert_eq!(meant(text).unwrap(), conditions, "{text}");
        }
    }

    #[test]
    fn what_no_list_of_conditions_means_is_not_split() {
        for (text, operator) in [
            ("[STATUS] < 300 || [STATUS] == 401", Some(Joint::Or)),
            ("[STATUS] == 200 || [BODY].status == UP", Some(Joint::Or)),
            ("[STATUS] > 1 && [STATUS] < 3 || [STATUS] == 9", Some(Joint::Or)),
            ("[BODY] == a && b", None),
            ("[BODY].query == x || y", None),
            ("[BODY] == pat(*a || b*)", None),
            ("[STATUS] == 200", None),
            ("[STATUS] == 200 && [STATSU] == 2", None),
        ] {
            assert_eq!((meant(text), joint(text)), (None, operator), "{text}");
        }
    }
}
