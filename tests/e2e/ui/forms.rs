//! Forms that change services.

use crate::support::browser::browse;
use crate::support::{Launch, Target, wait_until};

/// Answers to a form with faults are errors of HTTP, which the console shows.
const REFUSED: &str = "status of 422";

#[test]
fn the_first_service_is_added_in_the_browser() {
    let target = Target::healthy();
    let app = Launch::new().start();
    browse(&app, |browser| {
        browser.dashboard();
        browser.check();
        browser.fill("Name", "pay");
        browser.fill("Address", &target.url());
        browser.click("Add the service");
        wait_until("the page of the service", || browser.text("h1") == "pay");
        assert_eq!(app.names(), ["pay"]);
        browser.click("Overview");
        browser.wait_for_text("1 service is up");
        browser.shown_services().row("pay").wait_for_state("up");
    });
}

#[test]
fn a_refusal_stands_beside_its_field() {
    let target = Target::healthy();
    let app = Launch::new().start();
    app.add("pay", &target.url());
    browse(&app, |browser| {
        browser.expect_in_console(REFUSED);
        browser.visit("/services/new");
        browser.check();
        for (field, label, wrong, error) in [
            ("name", "Name", "pay", "name: "),
            ("url", "Address", "gopher://example.org", "url: invalid value"),
            ("group", "Group", &"g".repeat(500), "group: invalid value"),
            ("conditions", "Conditions", "[STATUS] =", "conditions"),
            ("interval_seconds", "Interval", "0.01", "interval_seconds: invalid value"),
            ("timeout_seconds", "Timeout", "never", "timeout_seconds: invalid value"),
        ] {
            browser.visit("/services/new");
            browser.fill("Name", "mail");
            browser.fill("Address", &target.url());
            browser.fill(label, wrong);
            browser.click("Add the service");
            wait_until(&format!("the error of {field}"), || {
                browser.text(&format!("#h-{field} .error")).contains(error)
            });
            assert_eq!(browser.value_of(label), wrong, "what was typed is kept");
            let focused = browser.run("return document.activeElement.name", &[]);
            assert_eq!(focused, field, "the first field with an error has the focus");
            let described = browser.attribute(&format!("#f-{field}"), "aria-describedby");
            assert_eq!(described, format!("h-{field}"));
            browser.check();
        }
        assert_eq!(app.names(), ["pay"]);
    });
}

#[test]
fn a_service_is_edited_paused_probed_and_deleted() {
    let (pay, mail) = (Target::healthy(), Target::healthy());
    let app = Launch::new().start();
    let id = app.add("pay", &pay.url());
    app.wait_for_state(id, "up");
    browse(&app, |browser| {
        browser.visit(&format!("/services/{id}"));
        browser.click("Edit");
        browser.wait_for_text("Edit pay");
        browser.check();
        browser.fill("Name", "mail");
        browser.fill("Address", &mail.url());
        browser.click("Save");
        wait_until("the new name", || browser.text("h1") == "mail");
        assert_eq!(app.service(id)["url"], mail.url());

        browser.click("Pause");
        browser.wait_for_text("Paused");
        assert_eq!(app.service(id)["enabled"], false);
        browser.click("Resume");
        wait_until("the button to pause", || browser.page_text().contains("Pause"));
        app.wait_for_state(id, "up");

        let before = mail.request_count();
        browser.click("Probe now");
        wait_until("a probe", || mail.request_count() > before);

        browser.click("Delete this service");
        browser.click("Delete mail");
        browser.wait_for_text("No service yet");
        assert_eq!(app.names(), [""; 0]);
    });
}

#[test]
fn a_service_of_the_file_is_only_probed() {
    let target = Target::healthy();
    let file = format!("endpoints:\n  - {{name: pay, url: '{}'}}\n", target.url());
    let app = Launch::new().with_services_file(&file).start();
    browse(&app, |browser| {
        browser.visit("/services/1");
        browser.wait_for_text("from the services file");
        let text = browser.page_text();
        assert!(text.contains("Probe now"));
        for button in ["Edit", "Pause", "Delete"] {
            assert!(!text.contains(button), "{button} on {text}");
        }
    });
}
