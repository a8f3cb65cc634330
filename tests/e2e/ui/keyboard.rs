//! Pages by keyboard alone.

use crate::support::browser::{Browser, browse, key};
use crate::support::{App, Launch, Target, wait_until};

/// Text or name of the focused element.
fn focused(browser: &Browser) -> String {
    let script = "const e = document.activeElement;
        return e.getAttribute('aria-label') ?? (e.innerText.trim() || e.id)";
    browser.run(script, &[]).as_str().unwrap().to_owned()
}

fn three_services(target: &Target) -> App {
    let app = Launch::new().start();
    for name in ["alpha", "beta", "gamma"] {
        let id = app.add(name, &target.at(&format!("/{name}")));
        app.wait_for_state(id, "up");
    }
    app
}

#[test]
fn every_control_is_reached_by_tab_in_reading_order() {
    let target = Target::healthy();
    let app = three_services(&target);
    browse(&app, |browser| {
        browser.dashboard();
        browser.press(&[key::TAB]);
        assert_eq!(focused(browser), "Skip to content");
        browser.press(&[key::ENTER]);
        wait_until("the content to have the focus", || focused(browser).starts_with("All 3"));
        browser.reload();
        // Every control is visited, each further down or to the right, none twice.
        let script =
            "return [...document.querySelectorAll('a[href], button, input, select, summary')]
            .filter(e => e.checkVisibility({visibilityProperty: true}) && e.type !== 'hidden'
                && !e.disabled && e.tabIndex >= 0).length";
        let controls = browser.run(script, &[]).as_u64().unwrap();
        assert!(controls > 10, "{controls} controls");
        let mut order = Vec::new();
        for nth in 0..controls {
            browser.press(&[key::TAB]);
            let script = "const e = document.activeElement;
                const isOutlined = getComputedStyle(e).outlineStyle !== 'none';
                const all = [...document.querySelectorAll('*')];
                return [all.indexOf(e), isOutlined]";
            let place = browser.run(script, &[]);
            assert_eq!(place[1], true, "control {nth}, {}, shows no focus", focused(browser));
            order.push(place[0].as_u64().unwrap());
        }
        assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
    });
}

#[test]
fn single_keys_search_walk_the_rows_and_explain_themselves() {
    let target = Target::healthy();
    let app = three_services(&target);
    browse(&app, |browser| {
        browser.services("/services?sort=name");
        for (keys, expected) in [(["j"], "alpha"), (["j"], "beta"), (["k"], "alpha")] {
            browser.press(&keys);
            wait_until(&format!("{expected} to have the focus"), || focused(browser) == expected);
        }
        browser.press(&["?"]);
        browser.wait_for_text("next and previous row");
        browser.check();
        browser.press(&[key::ESCAPE]);
        wait_until("the help to close", || !browser.page_text().contains("next and previous row"));

        browser.press(&["/"]);
        wait_until("the search to have the focus", || focused(browser) == "Search services");
        browser.press(&["g", "a", "m", "j", key::BACKSPACE, key::ENTER]);
        browser.wait_for_path("/services?q=gam");
        assert_eq!(browser.shown_services().names(), ["gamma"]);
        browser.press(&["j", key::ENTER]);
        wait_until("the page of gamma", || browser.text("h1") == "gamma");
    });
}
