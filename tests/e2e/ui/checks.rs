//! The checks of every journey find what they must find.

use crate::support::browser::browse_at;
use crate::support::{Behaviour, Target};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self' https://example.org";

fn page(language: &str, body: &str) -> Target {
    let html = format!(
        "<!doctype html><html {language}><head><title>Page</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\
         </head><body><main><h1>Page</h1>{body}</main></body></html>"
    );
    let length = html.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
         content-security-policy: {POLICY}; img-src data:\r\ncontent-length: {length}\r\n\r\n"
    );
    Target::start(Behaviour::Raw([head, html].concat().into_bytes()))
}

fn address(target: &Target) -> String {
    format!("127.0.0.1:{}", target.port())
}

#[test]
fn a_page_without_faults_passes() {
    let target = page("lang=\"en\"", "<p>Text</p>");
    browse_at(&address(&target), |browser| {
        browser.visit("/");
        assert_eq!(browser.text("h1"), "Page");
    });
}

#[test]
fn faults_of_a_page_are_found() {
    let faults = "<p style=\"color: #ddd\">Text</p><script>1</script><img src=\"data:,\">";
    let target = page("", &format!("{faults}<script src=\"https://example.org/x.js\"></script>"));
    let clean = page("lang=\"en\"", "<p>Text</p>");
    browse_at(&address(&clean), |browser| {
        browser.visit_elsewhere(&target.url());
        let console = browser.console_faults().join("\n");
        for part in ["inline style", "inline script", "https://example.org/x.js"] {
            assert!(console.contains(part), "{part} is not in {console}");
        }
        let page = browser.accessibility_faults().join("\n");
        for rule in ["html-has-lang", "image-alt"] {
            assert!(page.contains(rule), "{rule} is not in {page}");
        }
        browser.visit("/");
    });
}

#[test]
fn the_profile_of_a_browser_is_removed() {
    let target = page("lang=\"en\"", "");
    let profile = browse_at(&address(&target), |browser| {
        browser.visit("/");
        assert!(browser.profile().join("Default").exists());
        browser.profile().to_owned()
    });
    assert!(!profile.exists());
}
