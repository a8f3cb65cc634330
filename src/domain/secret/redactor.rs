//! Removes the secrets of a service from texts that a target wrote a part of, such as the details
//! of failures.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::domain::outcome::{DETAIL_MAX_CHARS, escape_control};
use crate::domain::secret::arguments;
use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::pieces::{MASK, is_placeholder};
use crate::domain::secret::url::{Requests, secrets};
use crate::domain::service::definition::Service;
use crate::domain::service::placeholders::literals;
use crate::domain::service::template::{Template, Variables};

/// Shortest secret that is searched for, in characters: a shorter one is a part of many words.
const MIN_CHARS: usize = 4;

/// Shortest word of a body that is searched for, in characters.
const MIN_BODY_CHARS: usize = 8;

/// The secrets of one service, in each form in which a target may repeat them.
pub struct Redactor {
    secrets: Vec<String>,
    body: Option<String>,
}

impl Redactor {
    pub fn new(service: &Service, variables: &Variables, requests: Requests) -> Self {
        let options = &service.options;
        let fill = |template: &Template| template.fill(variables).ok();
        let mut redactor = Self { secrets: Vec::new(), body: None };
        let url = service.target.url(variables).ok();
        if let Some(url) = url {
            redactor.add_url(&url, requests);
        }
        let secret_headers = options.headers.iter().filter(|(name, _)| is_secret_header(name));
        for value in secret_headers.filter_map(|(_, value)| fill(value)) {
            redactor.add_header(&value);
        }
        if let Some(auth) = &options.basic_auth
            && let (Some(username), Some(password)) = (fill(&auth.username), fill(&auth.password))
        {
            redactor.add_account(&username, &password);
            if is_placeholder(&password) {
                redactor.add(&username);
            }
        }
        let heartbeat = options.heartbeat.as_ref().map(|heartbeat| &heartbeat.token);
        let oauth2 = options.oauth2.as_ref();
        let client_secret = oauth2.map(|oauth2| &oauth2.client_secret);
        let tokens = [options.bearer_token.as_ref(), heartbeat, client_secret];
        for token in tokens.into_iter().flatten() {
            redactor.add(&fill(token).unwrap_or_default());
        }
        for secret in arguments::secrets(&options.args, variables) {
            redactor.add(&secret);
        }
        let servers = options.proxy.iter().chain(oauth2.map(|oauth2| &oauth2.token_url));
        for url in servers.filter_map(|server| server.url(variables).ok()) {
            redactor.add_url(&url, requests);
        }
        if requests == Requests::Masked {
            redactor.body = options.body.as_ref().and_then(fill);
            // A detail is shorter, and so holds at most the beginning of a longer body.
            let body = redactor.body.iter().flat_map(|body| body.chars());
            let start: String = body.take(DETAIL_MAX_CHARS).collect();
            redactor.add(&start);
            let between = literals(&start).filter(|text| text.chars().count() >= MIN_BODY_CHARS);
            between.for_each(|text| redactor.add(text));
        }
        redactor.sort();
        redactor
    }

    /// Also removes `secret`, which is not in the options of the service.
    pub fn with_secret(mut self, secret: Option<&str>) -> Self {
        if let Some(secret) = secret {
            self.add(secret);
            self.sort();
        }
        self
    }

    /// A longer secret may begin with a shorter one.
    fn sort(&mut self) {
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.secrets.dedup();
    }

    fn add_url(&mut self, url: &Url, requests: Requests) {
        for secret in secrets(url.as_str()) {
            if secret.is_password || requests == Requests::Masked {
                self.add(secret.text);
            }
        }
        if url.password().is_some() || !url.username().is_empty() {
            self.add_account(&decoded(url.username()), &decoded(url.password().unwrap_or("")));
        }
    }

    /// A password, with the user name in the form of the header `Authorization`.
    fn add_account(&mut self, username: &str, password: &str) {
        self.add(password);
        self.add(&BASE64_STANDARD.encode(format!("{username}:{password}")));
    }

    /// The value of a header, and its parts: `Bearer TOKEN`, `a=TOKEN; b=TOKEN`.
    fn add_header(&mut self, value: &str) {
        self.add(value);
        for part in value.split([' ', ';', ',', '=', '"']) {
            self.add(part);
        }
        let account = value.strip_prefix("Basic ").and_then(|it| BASE64_STANDARD.decode(it).ok());
        let account = account.and_then(|account| String::from_utf8(account).ok());
        if let Some((_, password)) = account.as_deref().and_then(|it| it.split_once(':')) {
            self.add(password);
        }
    }

    fn add(&mut self, secret: &str) {
        let plain = decoded(secret);
        let quoted = |text: &str| {
            let quoted = format!("{text:?}");
            quoted[1..quoted.len() - 1].to_owned()
        };
        let forms = [
            secret.to_owned(),
            escape_control(secret.to_owned()),
            quoted(secret),
            utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(plain.as_bytes()).collect(),
            BASE64_STANDARD.encode(&plain),
            plain,
        ];
        self.secrets.extend(forms.into_iter().filter(|form| form.chars().count() >= MIN_CHARS));
    }

    /// `text` with [`MASK`] in place of each secret of at least four characters, and of the
    /// beginning of one where an excerpt was cut. Words of the body have at least eight.
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let at_word = !redacted.ends_with(is_word);
            let found = self.secret_at(rest).max(self.word_at(rest).filter(|_| at_word));
            let length = found.unwrap_or(character.len_utf8());
            redacted.push_str(if found.is_some() { MASK } else { &rest[..length] });
            rest = &rest[length..];
        }
        redacted
    }

    /// Length of the secret that `text` begins with.
    fn secret_at(&self, text: &str) -> Option<usize> {
        self.secrets.iter().filter_map(|secret| common(text, secret)).max()
    }

    /// Length of the word at the beginning of `text`, if it is in the body.
    fn word_at(&self, text: &str) -> Option<usize> {
        let body = self.body.as_deref()?;
        let word = &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())];
        let is_long = word.chars().count() >= MIN_BODY_CHARS;
        (is_long && memchr::memmem::find(body.as_bytes(), word.as_bytes()).is_some())
            .then_some(word.len())
    }
}

/// Length of `secret` if `text` begins with it, or of its beginning if `text` was cut there.
fn common(text: &str, secret: &str) -> Option<usize> {
    let same = text.chars().zip(secret.chars()).take_while(|(one, other)| one == other);
    let (chars, bytes) =
        same.fold((0, 0), |(chars, bytes), (one, _)| (chars + 1, bytes + one.len_utf8()));
    let is_cut = || text[bytes..].chars().next().is_none_or(|next| "…\"".contains(next));
    (bytes == secret.len() || (chars >= MIN_CHARS && is_cut())).then_some(bytes)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "-_.+/~".contains(character)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::domain::sample;
    use crate::domain::service::options::{BasicAuth, Options};
    use crate::domain::service::target::Target;

    fn redactor(requests: Requests) -> Redactor {
        let template = |text| Template::parse(text).unwrap();
        let headers = [
            ("X-Api-Key", "h3ader-s3cret"),
            ("Cookie", "a=1; sid=c00kie-s3cret"),
            ("Authorization", "Bearer ${TOKEN}"),
            ("X-Plain", "plain-value"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), template(value)));
        let options = Options {
            headers: headers.to_vec(),
            body: Some(template("{\"pin\": \"b0dy-s3cret\",\r\n \"q\": 1}")),
            basic_auth: Some(BasicAuth {
                username: template("ann"),
                password: template("b@sic s3cret"),
            }),
            ..Options::default()
        };
        let target = Target::parse("http://u:p%40ss-s3cret@h/?token=qu3ry-s3cret").unwrap();
        let service = Service { target, options: Arc::new(options), ..sample::service(1, 1.0) };
        let variables = [("TOKEN".to_owned(), "filled-s3cret".to_owned())];
        Redactor::new(&service, &Variables::new(HashMap::from(variables)), requests)
    }

    #[test]
    fn secrets_are_removed_in_each_form() {
        let basic = BASE64_STANDARD.encode("ann:b@sic s3cret");
        for (text, expected) in [
            ("got \"h3ader-s3cret\"", "got \"***\""),
            ("got c00kie-s3cret, filled-s3cret", "got ***, ***"),
            ("Bearer filled-s3cret", "***"),
            ("b@sic s3cret b%40sic%20s3cret b%40sic+s3cret", "*** *** ***"),
            (&basic, "***"),
            ("p%40ss-s3cret p@ss-s3cret qu3ry-s3cret", "*** *** ***"),
            ("pin b0dy-s3cret is wrong", "pin *** is wrong"),
            ("{\"pin\": \"b0dy-s3cret\",\\r\\n \"q\": 1}", "***"),
            ("plain-value 503 Service Unavailable", "plain-value 503 Service Unavailable"),
        ] {
            assert_eq!(redactor(Requests::Masked).redact(text), expected);
        }
    }

    #[test]
    fn the_beginning_of_a_secret_is_removed_where_a_text_was_cut() {
        let redacted = |text: &str| redactor(Requests::Masked).redact(text);
        assert_eq!(
            redacted("the response \"key h3ad\" is wrong"),
            "the response \"key ***\" is wrong"
        );
        assert_eq!(redacted("[BODY] (h3ader-s…) == 1"), "[BODY] (***…) == 1");
        assert_eq!(redacted("it ends with h3ader"), "it ends with ***");
        assert_eq!(redacted("h3ad or h3a"), "h3ad or h3a");
    }

    #[test]
    fn parts_of_a_long_body_are_removed() {
        let body = "long body: ".repeat(20_000) + "b0dy-s3cret";
        let options = Options { body: Some(Template::literal(&body)), ..Options::default() };
        let service = Service { options: Arc::new(options), ..sample::service(1, 1.0) };
        let redactor = Redactor::new(&service, &Variables::default(), Requests::Masked);
        let detail: String = body.chars().take(DETAIL_MAX_CHARS).collect();
        assert_eq!(redactor.redact(&detail), MASK);
        assert_eq!(
            redactor.redact("sent \"long body: lo\" with b0dy-s3cret"),
            "sent \"***\" with ***"
        );
    }

    #[test]
    fn shown_requests_keep_query_and_body() {
        let redactor = redactor(Requests::Shown);
        let text = "qu3ry-s3cret b0dy-s3cret h3ader-s3cret";
        assert_eq!(redactor.redact(text), "qu3ry-s3cret b0dy-s3cret ***");
    }
}
