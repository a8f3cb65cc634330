//! Pages for every reader: narrow, dark, in forced colours, from right to left, in other zones.

use serde_json::{Value, json};

use super::installation::{PAGES, busy};
use crate::support::browser::{Browser, Scheme, browse};

/// The elements beyond the sides of the window, when the page scrolls sideways.
fn beyond(browser: &Browser) -> Vec<String> {
    let script = "const page = document.documentElement;
        if (page.scrollWidth <= innerWidth) return [];
        return [...document.querySelectorAll('body *')].filter(element => {
            const box = element.getBoundingClientRect();
            return box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5)
                && !element.closest('.vh, .skip');
        }).slice(0, 6).map(element => {
            const box = element.getBoundingClientRect();
            return `${element.outerHTML.slice(0, 80)}: ${box.left} to ${box.right}`;
        }).concat(page.scrollWidth)";
    let found = browser.run(script, &[]);
    found.as_array().unwrap().iter().map(Value::to_string).collect()
}

#[test]
fn no_page_scrolls_sideways() {
    let (app, _targets) = busy();
    browse(&app, |browser| {
        let mut faults = Vec::new();
        for path in PAGES {
            for width in [320, 768] {
                browser.emulate_size(width, 800);
                browser.visit(path);
                for direction in ["ltr", "rtl"] {
                    browser.run("document.documentElement.dir = arguments[0]", &[json!(direction)]);
                    let found = beyond(browser).into_iter();
                    faults.extend(found.map(|it| format!("{path} at {width}, {direction}: {it}")));
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn every_page_is_accessible_in_light_and_dark_and_from_right_to_left() {
    let (app, _targets) = busy();
    browse(&app, |browser| {
        let mut faults = Vec::new();
        for path in PAGES {
            browser.visit(path);
            let mut found = browser.console_faults();
            found.extend(browser.accessibility_faults());
            browser.run("document.documentElement.dir = 'rtl'", &[]);
            found.extend(browser.run_axe(&Value::Null));
            faults.extend(found.into_iter().map(|fault| format!("{path}: {fault}")));
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn the_system_or_the_reader_chooses_the_colours() {
    let (app, _targets) = busy();
    let background = |browser: &Browser| {
        browser.run("return getComputedStyle(document.documentElement).backgroundColor", &[])
    };
    browse(&app, |browser| {
        browser.dashboard();
        let light = background(browser);
        browser.emulate_scheme(Scheme::Dark);
        let dark = background(browser);
        assert_ne!(light, dark);
        browser.emulate_scheme(Scheme::Light);
        browser.click("Change colours to dark");
        browser.wait_for_path("/");
        assert_eq!(background(browser), dark, "chosen dark");
        browser.visit("/services");
        assert_eq!(background(browser), dark, "on every page");
        browser.click("Change colours to light");
        browser.emulate_scheme(Scheme::Dark);
        browser.wait_for_path("/services");
        assert_eq!(background(browser), light, "chosen light");
        browser.click("Change colours to auto");
        assert_eq!(background(browser), dark, "as the system");
        browser.click("Change colours to dark");
        browser.wait_for_path("/services");
        browser.emulate_print();
        assert_eq!(background(browser), light, "paper is light, whatever was chosen");
        assert!(browser.text(".foot").contains("As of "), "{}", browser.text(".foot"));
        for control in [".top nav", "form", ".tabs", ".square"] {
            assert!(!browser.is_visible(control), "{control} is of no use on paper");
        }
        browser.emulate_high_contrast();
        assert!(!browser.text(".foot").contains("As of "), "on paper alone");
        let script = "const colour = element => getComputedStyle(element).color;
            return colour(document.querySelector('.foot')) === colour(document.body)";
        assert_eq!(browser.run(script, &[]), json!(true), "no muted text");
    });
}

#[test]
fn states_are_told_apart_in_forced_colours() {
    let (app, _targets) = busy();
    browse(&app, |browser| {
        browser.emulate_forced_colours();
        browser.dashboard();
        // Bars of the strips have another colour than the surface below them.
        let script = "const surface = getComputedStyle(document.documentElement).backgroundColor;
            return [...document.querySelectorAll('svg.strip path')]
                .filter(bar => getComputedStyle(bar).stroke === surface).length";
        assert_eq!(browser.run(script, &[]), json!(0));
        for state in ["up", "down"] {
            let words = browser.texts(&format!("tr[data-state={state}] [data-field=state]"));
            assert!(words.iter().all(|word| word == state) && !words.is_empty(), "{words:?}");
        }
        assert!(browser.run_axe(&Value::Null).is_empty());
    });
}

#[test]
fn times_are_those_of_the_readers_zone() {
    let (app, _targets) = busy();
    browse(&app, |browser| {
        browser.emulate_time_zone("Asia/Kolkata");
        browser.visit("/events");
        // 5 h 30 min after UTC, in minutes of half a day: a reader's clock may have 12 hours.
        let script = "return [...document.querySelectorAll('time[data-t=moment]')].map(time => {
            const shown = time.innerText.match(/(\\d\\d):(\\d\\d)/).slice(1).map(Number);
            const utc = new Date(time.dateTime);
            const minutes = utc.getUTCHours() * 60 + utc.getUTCMinutes();
            return (shown[0] * 60 + shown[1] - minutes + 1440) % 720;
        })";
        let shifts = browser.run(script, &[]);
        let shifts = shifts.as_array().unwrap();
        assert!(!shifts.is_empty());
        assert!(shifts.iter().all(|shift| shift == 330), "{shifts:?}");
        assert!(!browser.text("#zone").contains("UTC"), "{}", browser.text("#zone"));
    });
}
