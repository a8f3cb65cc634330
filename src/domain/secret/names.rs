//! Whether a value is a secret, judged by its name. In doubt it is.

/// Parts that make the name of a header or a parameter secret wherever they occur in a word.
const PARTS: [&str; 16] = [
    "apikey",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "hmac",
    "jwt",
    "passw",
    "pwd",
    "saml",
    "secret",
    "session",
    "sessid",
    "signature",
    "token",
    "xsrf",
];

/// Words that make a name secret.
const WORDS: [&str; 21] = [
    "assertion",
    "code",
    "cred",
    "creds",
    "dpop",
    "dsn",
    "hash",
    "keys",
    "licence",
    "license",
    "mac",
    "nonce",
    "otp",
    "passcode",
    "passphrase",
    "pin",
    "sid",
    "sig",
    "sign",
    "ticket",
    "totp",
];

/// Ends of words that make a name secret: `userkey`, `oauth`, `dbpass`.
const ENDS: [&str; 3] = ["auth", "key", "pass"];

/// Parts that make the name of a header secret even inside a word. Headers have fewer names than
/// parameters, so a broader rule masks few values by mistake.
const HEADER_PARTS: [&str; 9] =
    ["auth", "cookie", "cred", "jwt", "key", "pass", "secret", "sign", "token"];

/// Headers with a credential that no rule finds.
const HEADERS: [&str; 3] = ["x-honeycomb-team", "x-jfrog-art-api", "x-ovh-consumer"];

/// Whether the value of the header `name` is a secret.
pub fn is_secret_header(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    HEADERS.contains(&lower.as_str())
        || HEADER_PARTS.iter().any(|part| lower.contains(part))
        || is_secret_parameter(name)
}

/// Whether the value of the parameter `name` of a URL is a secret. Words end at characters that
/// are neither letters nor digits, and between a small and a capital letter.
pub fn is_secret_parameter(name: &str) -> bool {
    let joined = joined(name);
    words(name).iter().any(|word| is_secret_word(word))
        || is_secret_word(&joined)
        || PARTS.iter().any(|part| joined.contains(part))
}

fn is_secret_word(word: &str) -> bool {
    const AUTHORS: &str = "author";
    let is_of_authors = word.starts_with(AUTHORS) && !word.starts_with("authori");
    WORDS.contains(&word)
        || ENDS.iter().any(|end| word.ends_with(end))
        || (word.starts_with("auth") && !is_of_authors)
}

/// The words of `name` in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in name.chars() {
        let begins_word = was_small && character.is_uppercase();
        was_small = character.is_lowercase() || character.is_ascii_digit();
        if begins_word || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words
}

/// The letters and digits of `name` in lower case.
fn joined(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_credentials_are_secret() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "Api-Key",
            "apikey",
            "DD-API-KEY",
            "DD-APPLICATION-KEY",
            "X-RapidAPI-Key",
            "X-MBX-APIKEY",
            "Ocp-Apim-Subscription-Key",
            "X-Functions-Key",
            "X-Goog-Api-Key",
            "Fastly-Key",
            "X-Redmine-API-Key",
            "X-Octopus-ApiKey",
            "PRIVATE-TOKEN",
            "X-Auth-Token",
            "X-Vault-Token",
            "X-Consul-Token",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Shopify-Access-Token",
            "X-Postmark-Server-Token",
            "X-Gitlab-Token",
            "CF-Access-Client-Secret",
            "X-Auth-Email",
            "X-Sentry-Auth",
            "X-Hub-Signature-256",
            "X-Slack-Signature",
            "CB-ACCESS-SIGN",
            "CB-ACCESS-PASSPHRASE",
            "X-Parse-Session-Token",
            "X-Session-Id",
            "X-CSRF-Token",
            "X-XSRF",
            "X-Otp",
            "X-Hmac",
            "DPoP",
            "X-User-Pwd",
            "X-Credentials",
            "X-Jwt-Assertion",
            "X-Sid",
            "X-Pin",
            "X-Honeycomb-Team",
            "X-JFrog-Art-Api",
            "X-Bearer",
            "X-Sentry-DSN",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
    }

    #[test]
    fn headers_without_credentials_are_shown() {
        for name in [
            "Accept",
            "Accept-Encoding",
            "Accept-Language",
            "Cache-Control",
            "Content-Type",
            "Date",
            "Forwarded",
            "From",
            "Host",
            "If-None-Match",
            "Keep-Alive",
            "Origin",
            "Pragma",
            "Range",
            "Referer",
            "User-Agent",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Plain",
            "X-Request-Id",
            "X-Api-Version",
            "X-Tenant",
            "traceparent",
        ] {
            assert!(!is_secret_header(name), "{name}");
        }
    }

    #[test]
    fn parameters_with_credentials_are_secret() {
        for name in [
            "token",
            "TOKEN",
            "access_token",
            "accessToken",
            "id_token_hint",
            "key",
            "keys",
            "api_key",
            "apikey",
            "api-key",
            "apiKey",
            "appKey",
            "Key-Pair-Id",
            "auth",
            "auth_code",
            "authcode",
            "oauth",
            "authorization",
            "password",
            "passwd",
            "pass",
            "pwd",
            "user[password]",
            "db.pass",
            "secret",
            "client_secret",
            "clientSecret",
            "sig",
            "sign",
            "signature",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "session",
            "sessionid",
            "PHPSESSID",
            "jsessionid",
            "sid",
            "code",
            "otp",
            "hash",
            "hmac",
            "jwt",
            "ticket",
            "SAMLResponse",
            "nonce",
            "license",
            "a_p_i_k_e_y",
        ] {
            assert!(is_secret_parameter(name), "{name}");
        }
    }

    #[test]
    fn parameters_without_credentials_are_shown() {
        for name in [
            "",
            "q",
            "page",
            "limit",
            "format",
            "keyword",
            "keyboard",
            "author",
            "authors",
            "design",
            "assign",
            "passenger",
            "passive",
            "credit",
            "encode",
            "barcode",
            "country",
            "pinned",
            "machine",
            "hashtag",
            "side",
            "client_id",
            "user",
            "redirect_uri",
            "state",
            "ünï",
        ] {
            assert!(!is_secret_parameter(name), "{name}");
        }
    }
}
