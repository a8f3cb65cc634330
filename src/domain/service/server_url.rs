//! The URL of a server that a probe uses beside the target: a proxy or a token endpoint.

use std::fmt;

use url::Url;

use crate::domain::invalid::Invalid;
use crate::domain::secret::url::{Requests, mask, mask_rejected, mask_template};
use crate::domain::service::target::{Kind, Target, TargetError};
use crate::domain::service::template::{Template, Variables};

/// A URL of http or https. It may have variables behind the scheme and secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    template: Template,
    target: Target,
}

impl ServerUrl {
    pub const EXPECTED: &'static str =
        "a URL of http or https with a host, at most 2,083 characters";

    pub fn new(template: Template) -> Result<Self, Invalid> {
        let target = Target::template(template.as_written()).ok();
        match target.filter(|target| target.kind() == Kind::Http) {
            Some(target) => Ok(Self { template, target }),
            None => Err(Invalid::quoted(mask_rejected(&written(&template)), Self::EXPECTED)),
        }
    }

    pub fn template(&self) -> &Template {
        &self.template
    }

    /// As a client wrote it, secrets included; variables remain.
    pub fn written(&self) -> String {
        written(&self.template)
    }

    /// With its secrets masked; variables remain.
    pub fn shown(&self, requests: Requests) -> String {
        let has_variables = self.template.variables().next().is_some();
        let mask = if has_variables { mask_template } else { mask };
        mask(&self.written(), requests)
    }

    /// With variables filled in.
    pub fn url(&self, variables: &Variables) -> Result<Url, TargetError> {
        self.target.url(variables)
    }

    /// Whether both have the same scheme, host and port. URLs with variables never do.
    pub fn has_same_origin(&self, other: &Self) -> bool {
        self.target.has_same_origin(&other.target)
    }
}

fn written(template: &Template) -> String {
    template.as_literal().unwrap_or_else(|| template.as_written().to_owned())
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(Requests::Masked))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn server(text: &str) -> Result<ServerUrl, Invalid> {
        ServerUrl::new(Template::parse(text).unwrap())
    }

    #[test]
    fn only_http_and_https_are_servers_on_the_way() {
        for good in ["http://proxy:3128", "https://u:${PASS}@${HOST}:8443/token?x=1"] {
            assert!(server(good).is_ok(), "{good}");
        }
        for bad in ["proxy:3128", "socks5://u:s3cret@proxy", "tcp://proxy:3128", "http://", ""] {
            let error = server(bad).unwrap_err().to_string();
            assert!(error.contains("a URL of http or https") && !error.contains("s3cret"));
        }
    }

    #[test]
    fn a_literal_is_kept_and_variables_are_filled() {
        let literal = ServerUrl::new(Template::literal("http://u:${X}$$@proxy/")).unwrap();
        assert_eq!(literal.written(), "http://u:${X}$$@proxy/");
        let none = Variables::default();
        assert_eq!(literal.url(&none).unwrap().password(), Some("$%7BX%7D$$"));
        assert_eq!(format!("{literal:?}"), "http://u:***@proxy/");
        let template = server("http://u:${PASS}@proxy:3128").unwrap();
        assert_eq!(template.shown(Requests::Masked), "http://u:${PASS}@proxy:3128");
        let pairs = [("PASS".to_owned(), "a@b".to_owned())];
        let url = template.url(&Variables::new(HashMap::from(pairs))).unwrap();
        assert_eq!((url.password(), url.host_str()), (Some("a%40b"), Some("proxy")));
        assert!(template.url(&none).is_err());
    }
}
