//! The placeholders of Gatus in texts of users, such as `[ENDPOINT_NAME]`.

/// The placeholders of Gatus.
const PLACEHOLDERS: [(&str, Placeholder); 7] = [
    ("[ALERT_DESCRIPTION]", Placeholder::Description),
    ("[ENDPOINT_NAME]", Placeholder::Name),
    ("[ENDPOINT_GROUP]", Placeholder::Group),
    ("[ENDPOINT_URL]", Placeholder::Url),
    ("[RESULT_ERRORS]", Placeholder::Errors),
    ("[RESULT_CONDITIONS]", Placeholder::Conditions),
    (STATE, Placeholder::State),
];

const STATE: &str = "[ALERT_TRIGGERED_OR_RESOLVED]";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    Description,
    Name,
    Group,
    Url,
    Errors,
    Conditions,
    State,
}

/// A piece of a text with placeholders.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
    Placeholder(Placeholder),
}

/// A condition as Gatus writes it.
pub fn condition_text(condition: &str, is_met: bool) -> String {
    let mark = if is_met { "✅" } else { "❌" };
    format!("{mark} - `{condition}`")
}

/// `text` with the values of its placeholders. A value is not searched again.
pub fn fill(text: &str, value: impl Fn(Placeholder) -> String) -> String {
    let pieces = pieces(text).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Literal(text) => text.to_owned(),
            Piece::Placeholder(placeholder) => value(placeholder),
        })
        .collect()
}

/// Cuts `text` in one pass: at each bracket, only the few known names are compared.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    for (at, _) in text.match_indices('[') {
        let found = PLACEHOLDERS.iter().find(|(name, _)| text[at..].starts_with(name));
        if let Some((name, placeholder)) = found {
            pieces.push(Piece::Literal(&text[begin..at]));
            pieces.push(Piece::Placeholder(*placeholder));
            begin = at + name.len();
        }
    }
    pieces.push(Piece::Literal(&text[begin..]));
    pieces.retain(|piece| *piece != Piece::Literal(""));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_brackets_is_cut_in_one_pass() {
        let text = "[".repeat(64 * 1024);
        assert_eq!(pieces(&text), [Piece::Literal(&text)]);
        assert_eq!(
            pieces("a[ENDPOINT_NAME][ENDPOINT_NAME"),
            [
                Piece::Literal("a"),
                Piece::Placeholder(Placeholder::Name),
                Piece::Literal("[ENDPOINT_NAME")
            ]
        );
    }
}
