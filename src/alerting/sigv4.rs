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
        .map(|(name, value)| (name.to_ascii_lowercase(), one_space(value)))
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
    query.sort_by_key(|pair| pair.split_once('=').unwrap_or((*pair, "")));
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

/// Without spaces around, and with one space in place of several.
fn one_space(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
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

    /// The header form of the published vectors (`aws-signing-test-suite`, `v4`).
    #[test]
    fn signatures_are_those_of_the_test_suite_of_aws() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
        };
        let get = |path: &str, expected| (Method::GET, path.to_owned(), vec![], None, expected);
        let post =
            |headers, body, expected| (Method::POST, "/".to_owned(), headers, body, expected);
        let form = "application/x-www-form-urlencoded";
        let form_utf8 = "application/x-www-form-urlencoded; charset=utf-8";
        let content = |content_type| {
            let hash = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
            let hash = ("x-amz-content-sha256", hash);
            vec![("Content-Type", content_type), ("Content-Length", "13"), hash]
        };
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let spaces = vec![("My-Header2", " \"a   b   c\" "), ("My-Header1", " value1")];
        for (method, path, headers, body, expected) in [
            get("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            get("/\u{1234}", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
            get(
                &format!("/{unreserved}"),
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            get(
                &format!("/?{unreserved}={unreserved}"),
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            get(
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            get(
                "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                Method::GET,
                "/".to_owned(),
                spaces,
                None,
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            post(vec![], None, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            post(
                vec![("My-Header1", "value1")],
                None,
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            post(
                vec![("Content-Type", form)],
                Some("Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            post(
                content(form),
                Some("Param1=value1"),
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
            post(
                content(form_utf8),
                Some("Param1=value1"),
                "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ),
        ] {
            let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            let url = format!("https://example.amazonaws.com{path}").parse().unwrap();
            let mut request = Request { method, url, headers, body: body.map(str::to_owned) };
            sign(&mut request, &credentials, 1_440_938_160_000);
            let (_, authorization) = request.headers.last().unwrap();
            assert!(authorization.ends_with(expected), "{path} {authorization}");
        }
    }
}
