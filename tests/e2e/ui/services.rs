//! The list of services and the page of one.

use serde_json::json;

use crate::support::browser::{Browser, browse};
use crate::support::{App, Behaviour, Launch, Target, wait_until};

/// Services of the large file, and those of them that are down: every hundredth.
const SERVICES: usize = 1_000;
const DOWN: usize = 10;

/// `svc-000` to `svc-999` in ten groups. The healthy ones are probed rarely.
fn large_file(healthy: &Target, failing: &Target) -> String {
    let entries = (0..SERVICES).map(|nth| {
        let is_down = nth.is_multiple_of(SERVICES / DOWN);
        let (target, interval) = if is_down { (failing, "1s") } else { (healthy, "60s") };
        let url = target.at(&format!("/{nth}"));
        let group = nth % 10;
        format!("  - {{name: svc-{nth:03}, group: g{group}, url: '{url}', interval: {interval}}}\n")
    });
    format!("endpoints:\n{}", entries.collect::<String>())
}

#[test]
fn a_thousand_services_are_searched_filtered_and_paged() {
    let (healthy, failing) = (Target::healthy(), Target::start(Behaviour::Status(500)));
    let app = Launch::new().with_services_file(&large_file(&healthy, &failing)).start();
    wait_until("ten services to be down", || {
        app.get("/v1/services?status=down").list("services").len() == DOWN
    });
    browse(&app, |browser| {
        browser.dashboard();
        browser.wait_for_services_in("down", DOWN as u64);
        browser.wait_for_text("10 services are down");
        assert_eq!(browser.shown_services().names().len(), DOWN, "only the trouble is shown");

        browser.visit("/services");
        let trouble: Vec<String> = browser.shown_services().names().drain(..DOWN).collect();
        assert!(trouble.iter().all(|name| name.ends_with("00")), "trouble first: {trouble:?}");
        browser.choose("Order", "by name");
        browser.click("Apply");
        browser.wait_for_text("1 to 50 of 1,000");
        let first = browser.shown_services().names();
        browser.click("Next page");
        browser.wait_for_text("51 to 100 of 1,000");
        let second = browser.path();
        assert!(first.iter().all(|name| !browser.shown_services().names().contains(name)));

        browser.fill("Name or address", "svc-77");
        browser.click("Apply");
        browser.wait_for_text("1 to 10 of 10");
        let names = browser.shown_services().names();
        assert!(names.iter().all(|name| name.starts_with("svc-77")), "{names:?}");
        browser.choose("Group", "g7");
        browser.click("Apply");
        browser.wait_for_text("1 to 1 of 1");
        assert_eq!(browser.shown_services().names(), ["svc-777"]);
        let filtered = browser.path();
        browser.shown_services().row("svc-777").open();
        wait_until("the page of the service", || browser.text("h1") == "svc-777");

        browser.back();
        browser.wait_for_path(&filtered);
        assert_eq!(browser.value_of("Name or address"), "svc-77");
        browser.back();
        browser.back();
        browser.wait_for_path(&second);
        browser.wait_for_text("51 to 100 of 1,000");
    });
}

/// The rows of the table of the chart, as texts.
fn table(browser: &Browser) -> Vec<Vec<String>> {
    let script = "return [...document.querySelectorAll('#response tbody tr')]
        .map(row => [...row.cells].map(cell => cell.innerText.trim()))";
    serde_json::from_value(browser.run(script, &[])).unwrap()
}

#[test]
fn details_show_what_the_api_says() {
    let target = Target::healthy();
    let app = Launch::new().start();
    let id = app.add_with(&json!({
        "name": "pay", "url": target.url(), "group": "core", "conditions": ["[STATUS] == 200"],
    }));
    app.wait_for_ticks(id, 5);
    target.set_behaviour(Behaviour::Status(503));
    app.wait_for_state(id, "down");
    // Nothing changes from here on.
    app.pause(id);
    browse(&app, |browser| {
        browser.visit(&format!("/services/{id}"));
        assert_eq!(browser.text("h1"), "pay");
        browser.wait_for_text("Paused");
        for window in ["1h", "7d", "24h"] {
            browser.click(window);
            browser.wait_for_path(&format!("/services/{id}?window={window}#response"));
        }
        browser.click("As a table");
        wait_until("the table", || !table(browser).is_empty());
        let medians: Vec<String> = table(browser).iter().map(|row| row[1].clone()).collect();
        assert_eq!(medians, medians_of(&app, id));
        let events = browser.texts("#events tbody tr");
        assert!(events.iter().any(|event| event.contains("down") && event.contains("503")));
        assert!(browser.text("#definition").contains("[STATUS] == 200"));
    });
}

/// The medians of the buckets with results in the last 24 h, newest first, as the page writes them.
fn medians_of(app: &App, id: i64) -> Vec<String> {
    let series = app.data("series", &format!("/v1/services/{id}/series?window=24h"));
    let buckets = series["buckets"].as_array().unwrap().iter().rev();
    let medians = buckets.filter_map(|bucket| bucket["p50_ms"].as_f64());
    let text = |ms: f64| if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") };
    medians.map(text).collect()
}
