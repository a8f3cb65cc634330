//! Splits a URL, valid or not, into secrets and plain text.

use percent_encoding::percent_decode_str;

use crate::domain::secret::names::is_secret_parameter;

/// Replaces a secret in every response, event and log line.
pub const MASK: &str = "***";

/// A URL without one of them has no secret.
pub const SECRET_SIGNS: [char; 2] = ['@', '='];

/// Passwords of accounts that are named by a token: the user name is the secret.
const PLACEHOLDERS: [&str; 4] = ["x", "X", "x-oauth-basic", "api_token"];

/// Where a secret is in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    part: Part,
    /// Name of the parameter, decoded.
    name: String,
    /// Number of earlier parameters of the same name.
    nth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Password,
    Path,
    Query,
    Fragment,
}

/// A secret in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlSecret<'t> {
    pub slot: Slot,
    /// As written in the URL.
    pub text: &'t str,
    /// Masked even when requests are shown.
    pub is_password: bool,
}

impl UrlSecret<'_> {
    /// Whether the text is the mask of a secret.
    pub fn is_mask(&self) -> bool {
        is_mask(self.text)
    }

    /// Whether the URL says by itself that this is a secret, whatever its value.
    pub fn is_secret_by_name(&self) -> bool {
        matches!(self.slot.part, Part::User | Part::Password)
            || is_secret_parameter(&self.slot.name)
    }
}

#[derive(Debug)]
pub enum Piece<'t> {
    Plain(&'t str),
    Secret(UrlSecret<'t>),
}

/// Whether the user name of an account with this password is a token.
pub fn is_placeholder(password: &str) -> bool {
    password.is_empty() || PLACEHOLDERS.contains(&password)
}

fn is_mask(text: &str) -> bool {
    text == MASK || decoded(text) == MASK
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Start and end of the authority; empty when `text` has none.
pub fn authority(text: &str) -> (usize, usize) {
    let is_scheme = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.${}_".contains(c))
    };
    let start = match text.find("://").filter(|at| is_scheme(&text[..*at])) {
        Some(at) => at + 3,
        None if text.starts_with("//") => 2,
        None => return (0, 0),
    };
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    (start, end)
}

/// Splits `url`, which may be invalid; the texts of the pieces make up the whole of it.
pub fn pieces(url: &str) -> Vec<Piece<'_>> {
    let mut splitter = Splitter::default();
    if !url.contains(SECRET_SIGNS) {
        // The usual URL, which has neither userinfo nor parameters.
        splitter.plain(url);
        return splitter.pieces;
    }
    let (start, end) = authority(url);
    let rest = if end > 0 {
        splitter.plain(&url[..start]);
        splitter.authority(&url[start..end]);
        &url[end..]
    } else {
        splitter.unknown(url)
    };
    let (rest, fragment) = split_before(rest, '#');
    let (path, query) = split_before(rest, '?');
    splitter.each(path, &['/'], Part::Path);
    splitter.each(query, &['?', '&'], Part::Query);
    splitter.each(fragment, &['#', '?', '&'], Part::Fragment);
    splitter.pieces
}

fn split_before(text: &str, sign: char) -> (&str, &str) {
    text.split_at(text.find(sign).unwrap_or(text.len()))
}

#[derive(Default)]
struct Splitter<'t> {
    pieces: Vec<Piece<'t>>,
}

impl<'t> Splitter<'t> {
    fn plain(&mut self, text: &'t str) {
        if !text.is_empty() {
            self.pieces.push(Piece::Plain(text));
        }
    }

    fn secret(&mut self, part: Part, name: String, text: &'t str, is_password: bool) {
        if text.is_empty() {
            return;
        }
        let is_same = |piece: &&Piece<'_>| match piece {
            Piece::Secret(known) => (known.slot.part, &known.slot.name) == (part, &name),
            Piece::Plain(_) => false,
        };
        let nth = self.pieces.iter().filter(is_same).count();
        self.pieces.push(Piece::Secret(UrlSecret {
            slot: Slot { part, name, nth },
            text,
            is_password,
        }));
    }

    fn authority(&mut self, authority: &'t str) {
        let Some((userinfo, _)) = authority.rsplit_once('@') else { return self.plain(authority) };
        let (user, password) = split_before(userinfo, ':');
        let is_token = password.is_empty() || is_placeholder(&decoded(&password[1..]));
        if is_token || is_mask(user) {
            self.secret(Part::User, String::new(), user, false);
        } else {
            self.plain(user);
        }
        if !password.is_empty() {
            self.plain(&password[..1]);
            self.secret(Part::Password, String::new(), &password[1..], true);
        }
        self.plain(&authority[userinfo.len()..]);
    }

    /// Text without a scheme, such as `u:p@host`; returns what follows the userinfo.
    fn unknown(&mut self, text: &'t str) -> &'t str {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let at = text[..end].rfind('@').filter(|_| !text.starts_with('/')).unwrap_or(0);
        self.secret(Part::Password, String::new(), &text[..at], true);
        &text[at..]
    }

    /// Parameters that begin at `signs`.
    fn each(&mut self, mut text: &'t str, signs: &[char], part: Part) {
        while !text.is_empty() {
            // The sign that the text begins with belongs to it.
            let first = text.chars().next().filter(|c| signs.contains(c)).map_or(0, char::len_utf8);
            let end = text[first..].find(signs).map_or(text.len(), |at| first + at);
            self.plain(&text[..first]);
            self.parameter(&text[first..end], part);
            text = &text[end..];
        }
    }

    /// A parameter, or several with `;` between. The value of a secret one may contain a `;`.
    fn parameter(&mut self, text: &'t str, part: Part) {
        let mut start = 0;
        while start < text.len() {
            let end = text[start..].find(';').map_or(text.len(), |at| start + at);
            if let Some(equals) = text[start..end].find('=').map(|at| start + at) {
                let name = decoded(&text[start..equals]);
                let value = &text[equals + 1..end];
                let nested = nested(value);
                if is_secret_parameter(&name) || is_mask(value) || nested.is_some() {
                    self.plain(&text[..=equals]);
                    let is_password = nested == Some(Nested { has_password: true });
                    return self.secret(part, name, &text[equals + 1..], is_password);
                }
            }
            start = end + 1;
        }
        self.plain(text);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Nested {
    has_password: bool,
}

/// The secrets of a value that is itself a URL or a list of parameters, as `?next=` has.
fn nested(value: &str) -> Option<Nested> {
    let value = decoded(value);
    let mut splitter = Splitter::default();
    let pieces = if value.contains("://") {
        pieces(&value)
    } else {
        splitter.each(&value, &['?', '&', '#'], Part::Query);
        splitter.pieces
    };
    let secrets = pieces.iter().filter_map(|piece| match piece {
        Piece::Secret(secret) => Some(secret.is_password),
        Piece::Plain(_) => None,
    });
    secrets.reduce(|one, other| one || other).map(|has_password| Nested { has_password })
}
