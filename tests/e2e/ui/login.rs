//! Sessions of the dashboard.

use serde_json::json;

use crate::support::browser::browse;
use crate::support::{Behaviour, Launch, Target, wait_until};

const TOKEN: &str = "the-token-of-the-operator-0123456789";

#[test]
fn pages_need_a_session_which_a_token_begins_and_a_click_ends() {
    let target = Target::healthy();
    let app = Launch::new().with("API_READ", "token").with("API_TOKEN", TOKEN).start();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let body = format!("{{\"name\": \"pay\", \"url\": \"{}\"}}", target.url());
    assert_eq!(app.request("POST", "/v1/services", &headers, &body).status, 201);
    browse(&app, |browser| {
        for status in ["401", "403", "422"] {
            browser.expect_in_console(&format!("status of {status}"));
        }
        browser.visit("/services?q=pay");
        browser.wait_for_text("Sign in");
        assert!(!browser.has("tr[data-id]"), "nothing is shown without a session");
        browser.check();
        browser.fill("Token", "shc_wrong");
        browser.click("Sign in");
        wait_until("the error", || browser.text(".error, .note.bad").contains("token"));
        assert_eq!(browser.value_of("Token"), "", "a wrong token is not repeated");
        browser.check();
        browser.fill("Token", TOKEN);
        browser.click("Sign in");
        browser.wait_for_path("/services?q=pay");
        assert_eq!(browser.shown_services().names(), ["pay"]);
        let cookies = browser.run("return document.cookie", &[]);
        assert_eq!(cookies, "", "scripts cannot read the session");

        browser.click("pay");
        wait_until("the page of the service", || browser.text("h1") == "pay");
        browser.click("Pause");
        browser.wait_for_text("Paused");

        browser.click("Sign out");
        browser.wait_for_path("/login");
        browser.visit("/services");
        browser.wait_for_path("/login?back=%2Fservices");
        assert!(!browser.has("tr[data-id]"));
    });
}

/// The page of another port on this machine is of the same site, so browsers send it the cookie.
#[test]
fn a_page_of_another_origin_changes_nothing_with_the_session_of_its_reader() {
    let app = Launch::new().with("API_READ", "token").with("API_TOKEN", TOKEN).start();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let body = r#"{"name": "pay", "url": "http://127.0.0.1:9/", "interval_seconds": 3600}"#;
    assert_eq!(app.request("POST", "/v1/services", &headers, body).status, 201);
    let page = "<!doctype html><html lang=en><title>other</title><main><h1>Other</h1></main>";
    let page = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    );
    let other = Target::start(Behaviour::Raw(page.into_bytes()));
    browse(&app, |browser| {
        browser.expect_in_console("status of 403");
        browser.expect_in_console("ERR_BLOCKED_BY_RESPONSE");
        browser.visit("/");
        browser.fill("Token", TOKEN);
        browser.click("Sign in");
        browser.wait_for_path("/");
        browser.visit_elsewhere(&other.url());
        let script = "Promise.allSettled(['/services/1/pause', '/v1/services/1/probe'].map(path =>
            fetch(arguments[0] + path, {method: 'POST', mode: 'no-cors', credentials: 'include'})))
            .then(() => document.title = 'sent')";
        let origin = format!("http://{}", app.address());
        browser.run(script, &[json!(origin)]);
        wait_until("the requests", || browser.title() == "sent");
        let script = "const form = document.createElement('form');
            Object.assign(form, {method: 'post', action: arguments[0] + '/services/1/delete'});
            document.body.append(form);
            form.submit()";
        browser.run(script, &[json!(origin)]);
        browser.wait_for_text("must come from a page of this service");
        let service = app.request("GET", "/v1/services/1", &headers, "");
        assert_eq!((service.status, &service.service()["enabled"]), (200, &json!(true)));
        browser.visit("/services/1");
        wait_until("the session to go on", || browser.text("h1") == "pay");
    });
}
