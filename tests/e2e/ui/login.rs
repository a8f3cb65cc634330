//! Sessions of the dashboard.

use crate::support::browser::browse;
use crate::support::{Launch, Target, wait_until};

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
