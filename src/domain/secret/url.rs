//! Masks the secrets of a URL, and puts them back in place of their masks.

use crate::domain::secret::pieces::{MASK, Piece, UrlSecret, authority, pieces};
use crate::domain::service::template::Template;

/// Whether requests are shown (`SHOW_REQUESTS`): redirect targets, parameters with the name of a
/// secret, a lone userinfo, bodies and `expect`. Passwords, tokens, keys and secret headers never
/// are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Requests {
    #[default]
    Masked,
    Shown,
}

/// The secrets of `url`, in order.
pub fn secrets(url: &str) -> impl Iterator<Item = UrlSecret<'_>> {
    pieces(url).into_iter().filter_map(|piece| match piece {
        Piece::Secret(secret) => Some(secret),
        Piece::Plain(_) => None,
    })
}

/// The parts of `url` between its secrets, in order; a secret that is only a mask is no secret.
pub fn plain_parts(url: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for piece in pieces(url) {
        match piece {
            Piece::Plain(text) => parts.last_mut().into_iter().for_each(|part| part.push_str(text)),
            Piece::Secret(secret) if secret.text == MASK => {
                parts.last_mut().into_iter().for_each(|part| part.push_str(MASK));
            }
            Piece::Secret(_) => parts.push(String::new()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// `url` with its secrets replaced by [`MASK`].
pub fn mask(url: &str, requests: Requests) -> String {
    mask_each(url, requests, |_| MASK.to_owned())
}

/// As [`mask`], for a URL with variables, which are shown by their names.
pub fn mask_template(url: &str, requests: Requests) -> String {
    let masked = |text: &str| Template::parse(text).map(|template| template.masked());
    mask_each(url, requests, |text| masked(text).unwrap_or_else(|_| MASK.to_owned()))
}

fn mask_each(url: &str, requests: Requests, masked: impl Fn(&str) -> String) -> String {
    let pieces = pieces(url).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Plain(text) => text.to_owned(),
            Piece::Secret(secret) if requests == Requests::Shown && !secret.is_password => {
                secret.text.to_owned()
            }
            Piece::Secret(secret) => masked(secret.text),
        })
        .collect()
}

/// A text that was rejected as a URL. A password with a `/` ends the authority of a URL, so
/// everything before the last `@` may be one.
pub fn mask_rejected(text: &str) -> String {
    let (start, end) = authority(text);
    let has_port = |(_, port): (&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_cut = text[start..end].rsplit_once(':').is_some_and(|parts| !has_port(parts));
    match text.rfind('@').filter(|at| *at >= end && is_cut) {
        Some(at) => format!("{}{MASK}{}", &text[..start], mask(&text[at..], Requests::Masked)),
        None => mask(text, Requests::Masked),
    }
}

/// The target of a redirect without its query and its fragment, unless requests are shown.
pub fn mask_redirect(location: &str, requests: Requests) -> String {
    if requests == Requests::Shown {
        return mask(location, requests);
    }
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let (shown, hidden) = location.split_at(end);
    let sign = hidden.get(..1).unwrap_or_default();
    let rest = if hidden.len() > 1 { MASK } else { "" };
    format!("{}{sign}{rest}", mask(shown, requests))
}

/// `given` with the secrets of `stored` in place of its masks. The error is a mask without a
/// stored secret.
pub fn unmask<'t>(given: &'t str, stored: &str) -> Result<String, UrlSecret<'t>> {
    let known: Vec<UrlSecret<'_>> = secrets(stored).collect();
    let mut url = String::with_capacity(stored.len());
    for piece in pieces(given) {
        match piece {
            Piece::Plain(text) => url.push_str(text),
            Piece::Secret(secret) if !secret.is_mask() => url.push_str(secret.text),
            Piece::Secret(secret) => match known.iter().find(|known| known.slot == secret.slot) {
                Some(known) => url.push_str(known.text),
                None if secret.is_secret_by_name() => return Err(secret),
                None => url.push_str(secret.text),
            },
        }
    }
    Ok(url)
}

/// Whether `url` has a mask where a secret may be, also one that only its value shows.
pub fn may_keep_secret(url: &str) -> bool {
    secrets(url).any(|secret| secret.is_mask())
}

/// Whether `url` has a mask where a secret belongs.
pub fn has_mask(url: &str) -> bool {
    secrets(url).any(|secret| secret.is_mask() && secret.is_secret_by_name())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(url: &str) -> String {
        mask(url, Requests::Masked)
    }

    #[test]
    fn secrets_of_a_url_are_masked_and_nothing_else() {
        for (url, expected) in [
            ("http://u:pw@h/p?q=1", "http://u:***@h/p?q=1"),
            ("http://u:p@w@h/", "http://u:***@h/"),
            ("http://:pw@h/", "http://:***@h/"),
            ("https://tok@h/", "https://***@h/"),
            ("https://tok:@h/", "https://***:@h/"),
            ("https://tok:x-oauth-basic@h/", "https://***:***@h/"),
            ("http://h/?token=t&page=2", "http://h/?token=***&page=2"),
            ("http://h/?page=2&Access_Token=t#top", "http://h/?page=2&Access_Token=***#top"),
            ("http://h/?%74oken=t", "http://h/?%74oken=***"),
            ("http://h/?a=1;token=t;u", "http://h/?a=1;token=***"),
            ("http://h/?token=a;b", "http://h/?token=***"),
            ("http://h/?token=a=b", "http://h/?token=***"),
            ("http://h/?token=&token=t", "http://h/?token=&token=***"),
            ("http://h/a;jsessionid=7/b", "http://h/a;jsessionid=***/b"),
            ("http://h/#access_token=t&x=1", "http://h/#access_token=***&x=1"),
            ("http://h/#/route?key=t", "http://h/#/route?key=***"),
            ("http://h/?next=http%3A%2F%2Fu%3Ap%40h", "http://h/?next=***"),
            ("http://h/?next=%2Fx%3Ftoken%3Dt", "http://h/?next=***"),
            ("//u:p@h/?x", "//u:***@h/?x"),
            ("u:p@h", "***@h"),
            ("tcp://h:5432", "tcp://h:5432"),
            ("http://h/@user/x?email=a@b.example", "http://h/@user/x?email=a@b.example"),
            ("/@user?x=1", "/@user?x=1"),
            ("http://[::1]:80/?keyword=k&wsdl", "http://[::1]:80/?keyword=k&wsdl"),
            ("", ""),
        ] {
            assert_eq!(masked(url), expected, "{url}");
            assert_eq!(masked(expected), expected, "a mask stays: {url}");
        }
    }

    #[test]
    fn the_parts_of_a_url_are_what_its_masked_form_shows_beside_the_masks() {
        assert_eq!(plain_parts("tcp://h:1"), ["tcp://h:1"]);
        assert_eq!(plain_parts("http://u:pw@h/?page=2"), ["http://u:", "@h/?page=2"]);
        assert_eq!(plain_parts("https://tok@h/?key=k"), ["https://", "@h/?key="]);
        assert_eq!(plain_parts("http://u:***@h/"), ["http://u:***@h/"]);
    }

    #[test]
    fn shown_requests_have_everything_but_passwords() {
        let shown = |url| mask(url, Requests::Shown);
        for url in ["https://tok@h/", "http://h/?token=t", "http://h/?next=%3Ftoken%3Dt"] {
            assert_eq!(shown(url), url);
        }
        assert_eq!(shown("http://tok:x@h/?key=k"), "http://tok:***@h/?key=k");
        assert_eq!(shown("http://h/?next=http%3A%2F%2Fu%3Ap%40h"), "http://h/?next=***");
    }

    #[test]
    fn a_redirect_is_shown_without_query_and_fragment() {
        for (location, expected) in [
            ("ftp://u:p@h/a?ticket-without-name", "ftp://u:***@h/a?***"),
            ("/a#s", "/a#***"),
            ("/a?", "/a?"),
            ("http://[/", "http://[/"),
        ] {
            assert_eq!(mask_redirect(location, Requests::Masked), expected);
        }
        assert_eq!(mask_redirect("ftp://u:p@h/a?b", Requests::Shown), "ftp://u:***@h/a?b");
    }

    #[test]
    fn a_rejected_url_shows_no_part_of_a_password() {
        for (text, expected) in [
            ("ftp://u:p@a/", "ftp://u:***@a/"),
            ("http//u:s3cret@a/", "***@a/"),
            ("http://u:s3/cret@a/?token=s3cret", "http://***@a/?token=***"),
            ("http://u:s3#cret@a/", "http://***@a/"),
            ("http://a:0/b@c", "http://a:0/b@c"),
        ] {
            assert_eq!(mask_rejected(text), expected);
        }
    }

    #[test]
    fn masks_are_replaced_by_the_secrets_of_the_same_place() {
        let stored = "http://u:pw@h/?token=1&token=2&next=%3Fkey%3D3#sid=4";
        for (given, expected) in [
            (masked(stored).as_str(), Some(stored)),
            ("http://v:***@h/x?token=***", Some("http://v:pw@h/x?token=1")),
            ("http://u:%2A%2A%2A@h/", Some("http://u:pw@h/")),
            ("http://h/?token=9&token=***", Some("http://h/?token=9&token=2")),
            ("http://h/?pattern=***", Some("http://h/?pattern=***")),
            ("http://h/", Some("http://h/")),
            ("http://***@h/", None),
            ("http://h/?key=***", None),
            ("http://h/?sid=***", None),
            ("http://h/?token=***&token=***&token=***", None),
        ] {
            assert_eq!(unmask(given, stored).ok().as_deref(), expected, "{given}");
        }
    }

    proptest! {
        /// Whatever the text, no secret survives its mask, and the mask can be given back.
        #[test]
        fn a_mask_hides_every_secret_and_is_reversible(
            text in "(http://|//|)?([a-z:@]{0,6}@)?[a-z:/;=@%0-9$*]{0,12}\
                     (\\?((token|key|q|%6bey|next)=[a-zA-Z%=;0-9:/@?]{0,8}&?){0,3})?\
                     (#[a-z=&?]{0,6})?"
        ) {
            let shown = masked(&text);
            prop_assert_eq!(masked(&shown), shown.clone());
            prop_assert_eq!(unmask(&text, &text).unwrap_or_else(|_| text.clone()), text.clone());
            let restored = unmask(&shown, &text);
            prop_assert_eq!(restored.ok(), Some(text));
        }
    }
}
