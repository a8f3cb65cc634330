//! Pages that change while they are open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::json;

use crate::support::browser::{Browser, Relay, browse, browse_at};
use crate::support::{Behaviour, Launch, Target, wait_until};

/// Marks the open page; a page that is loaded again has no mark.
fn mark(browser: &Browser) {
    browser.run("window.isMarked = true", &[]);
}

fn is_marked(browser: &Browser) -> bool {
    browser.run("return window.isMarked === true", &[]) == json!(true)
}

/// How the page is kept fresh: `on` by the stream, `poll` by asking, empty by neither.
fn wait_for_mode(browser: &Browser, mode: &str) {
    wait_until(&format!("the mark {mode:?}"), || browser.attribute("#fresh", "data-live") == mode);
}

#[test]
fn a_service_goes_down_and_up_under_an_open_page() {
    let (pay, mail) = (Target::healthy(), Target::healthy());
    let app = Launch::new().start();
    let id = app.add("pay", &pay.url());
    app.add("mail", &mail.url());
    browse(&app, |browser| {
        let services = browser.dashboard();
        browser.wait_for_services_in("up", 2);
        mark(browser);
        pay.set_behaviour(Behaviour::Status(503));
        services.row("pay").wait_for_state("down");
        browser.wait_for_services_in("down", 1);
        assert!(services.row("pay").reason().contains("503"), "{}", services.row("pay").reason());
        wait_until("the title to count", || browser.title().starts_with("(1) "));
        browser.wait_for_text("1 service is down");
        browser.check();
        pay.set_behaviour(Behaviour::Status(200));
        browser.wait_for_services_in("up", 2);
        browser.wait_for_text("All 2 services are up");
        wait_until("the title to be calm", || browser.title().starts_with("Overview"));
        assert_eq!(app.service(id)["state"], "up");
        // As before the first result after a start of the program.
        let checked = "[data-field=checked]";
        browser.run(&format!("document.querySelector('{checked}').textContent = '–'"), &[]);
        wait_until("the next result", || browser.text(checked) != "–");
        assert!(!browser.text(checked).contains('–'), "{}", browser.text(checked));
        assert!(is_marked(browser), "the page was loaded again");
    });
}

#[test]
fn a_cut_stream_resumes_and_a_restart_is_noticed() {
    let target = Target::healthy();
    let launch = Launch::new();
    let app = launch.start();
    let id = app.add("pay", &target.url());
    app.wait_for_state(id, "up");
    let address = Arc::new(Mutex::new(app.address().to_owned()));
    let current = Arc::clone(&address);
    let relay = Relay::through(move || TcpStream::connect(current.lock().unwrap().as_str()));
    browse_at(relay.address(), |browser| {
        browser.expect_in_console("net::ERR_");
        let services = browser.dashboard();
        wait_for_mode(browser, "on");
        mark(browser);
        relay.cut();
        target.set_behaviour(Behaviour::Status(503));
        app.wait_for_state(id, "down");
        assert_eq!(services.row("pay").state(), "up", "nothing is heard");
        relay.restore();
        services.row("pay").wait_for_state("down");

        relay.cut();
        app.stop();
        target.set_behaviour(Behaviour::Status(200));
        let app = launch.start();
        app.wait_for_state(id, "up");
        *address.lock().unwrap() = app.address().to_owned();
        relay.restore();
        services.row("pay").wait_for_state("up");
        target.set_behaviour(Behaviour::Status(503));
        services.row("pay").wait_for_state("down");
        assert!(is_marked(browser), "the page was loaded again");
        browser.check();
        // The page and its program end together.
        browser.visit("/");
    });
}

#[test]
fn a_page_without_a_place_for_its_stream_polls() {
    let target = Target::healthy();
    let app = Launch::new().with("STREAM_MAX_CONNECTIONS", "1").start();
    app.add("pay", &target.url());
    let mut other = TcpStream::connect(app.address()).unwrap();
    let request = format!("GET /v1/stream HTTP/1.1\r\nhost: {}\r\n\r\n", app.address());
    other.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    other.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    browse(&app, |browser| {
        browser.expect_in_console("status of 503");
        let services = browser.dashboard();
        wait_for_mode(browser, "poll");
        services.row("pay").wait_for_state("up");
        mark(browser);
        target.set_behaviour(Behaviour::Status(503));
        services.row("pay").wait_for_state("down");
        assert!(is_marked(browser), "the page was loaded again");
        drop(other);
        wait_for_mode(browser, "on");
    });
}

#[test]
fn a_page_that_hears_nothing_says_so() {
    let target = Target::healthy();
    let app = Launch::new().start();
    let id = app.add("pay", &target.url());
    app.wait_for_state(id, "up");
    browse(&app, |browser| {
        browser.expect_in_console("net::ERR_");
        browser.dashboard();
        wait_for_mode(browser, "on");
        app.signal(Signal::STOP);
        browser.wait_for_text("Nothing heard since");
        wait_for_mode(browser, "");
        app.signal(Signal::CONT);
        wait_until("the notice to go", || !browser.page_text().contains("Nothing heard since"));
        wait_for_mode(browser, "on");
    });
}
