//! Pages without JavaScript.

use crate::support::browser::browse;
use crate::support::{Launch, Target, wait_until};

#[test]
fn everything_works_without_scripts() {
    let target = Target::healthy();
    let app = Launch::new().start();
    browse(&app, |browser| {
        browser.without_scripts(|| {
            browser.dashboard();
            browser.fill("Name", "pay");
            browser.fill("Address", &target.url());
            browser.click("Add the service");
            wait_until("the page of the service", || browser.text("h1") == "pay");
            app.wait_for_state(1, "up");
            browser.visit("/services?q=pay");
            assert_eq!(browser.shown_services().row("pay").state(), "up");
            browser.shown_services().row("pay").open();
            wait_until("the page of the service", || browser.text("h1") == "pay");
            browser.click("7d");
            browser.click("As a table");
            wait_until("the table", || browser.has("#response tbody tr"));
            browser.click("Pause");
            browser.wait_for_text("Paused");
            assert_eq!(app.service(1)["enabled"], false);
            assert_eq!(browser.text("#zone"), "Times are UTC");
            for hidden in ["[data-help]", "[data-copy]"] {
                assert!(!browser.is_visible(hidden), "{hidden} needs scripts");
            }
        });
    });
}
