//! AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request").

use ring::{digest, hmac};
use time::OffsetDateTime;
use url::Position;

use crate::alerting::parts::Request;

pub struct Credentials<'c> {
    pub access_key_id: &'c str,
    pub secret_access_key: &'c str,
    pub region: &'c str,
    pub service: &'c str,
}

/// Adds the headers `X-Amz-Date` and `Authorization`. `now_ms` is in unix milliseconds.
pub fn sign(request: &mut Request, credentials: &Credentials<'_>, now_ms: i64) {
    let (date, time) = date_and_time(now_ms);
    request.headers.push(("X-Amz-Date".to_owned(), time.clone()));
    let host = request.url[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .chain([("host".to_owned(), host)])
        .collect();
    headers.sort();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical_headers: String =
        headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let mut query: Vec<&str> = request
        .url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .collect();
    query.sort_unstable();
    let canonical = format!(
        "{}\n{}\n{}\n{canonical_headers}\n{names}\n{}",
        request.method,
        request.url.path(),
        query.join("&"),
        sha256(request.body.as_deref().unwrap_or_default()),
    );
    let Credentials { access_key_id, secret_access_key, region, service } = credentials;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(&canonical));
    let secret = format!("AWS4{secret_access_key}");
    let parts = [date.as_str(), region, service, "aws4_request", &to_sign];
    let signature = parts.iter().fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={}",
        hex(&signature)
    );
    request.headers.push(("Authorization".to_owned(), authorization));
}

/// Such as `20150830` and `20150830T123600Z`.
fn date_and_time(now_ms: i64) -> (String, String) {
    let now = OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1_000));
    let now = now.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = now.to_hms();
    let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let time = format!("{date}T{hour:02}{minute:02}{second:02}Z");
    (date, time)
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// `post-x-www-form-urlencoded` and `get-vanilla-query-order-key-case` of AWS' test suite.
    #[test]
    fn signatures_are_those_of_the_test_suite_of_aws() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
        };
        let content_type = ("Content-Type", "application/x-www-form-urlencoded");
        for (method, url, headers, body, expected) in [
            (
                Method::POST,
                "https://example.amazonaws.com/",
                vec![content_type],
                Some("Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                Method::GET,
                "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                vec![],
                None,
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            let (url, body) = (url.parse().unwrap(), body.map(str::to_owned));
            let mut request = Request { method, url, headers, body };
            sign(&mut request, &credentials, 1_440_938_160_000);
            let (_, authorization) = request.headers.last().unwrap();
            assert!(authorization.ends_with(expected), "{authorization}");
        }
    }
}
