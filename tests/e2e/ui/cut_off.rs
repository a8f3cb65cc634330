//! The local network is gone while a page is open.

use std::net::TcpStream;
use std::sync::Arc;

use crate::support::browser::{Relay, browse_at};
use crate::support::namespace::Hosts;
use crate::support::{App, Behaviour, Launch, Target, wait_until};

/// A monitor on one host and a target on the other, with a service that is up.
fn watched(hosts: &Hosts) -> (App, Target) {
    hosts.enter_targets();
    let target = Target::start_at("0.0.0.0", Behaviour::Status(200));
    hosts.enter_monitor();
    let launch = Launch::new()
        .with("SELF_CHECK_TARGETS", "tcp://10.231.8.2:1")
        .with("SELF_CHECK_WINDOW_SECONDS", "1")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "3");
    let app = launch.start();
    let id = app.add("pay", &format!("http://{}:{}/", hosts.target_address(), target.port()));
    app.wait_for_state(id, "up");
    (app, target)
}

#[test]
fn a_lost_network_is_a_banner_and_unwatched_time_but_no_downtime() {
    let Some(hosts) = Hosts::new("page") else { return };
    let hosts = Arc::new(hosts);
    // Only this thread enters the hosts; the browser stays outside.
    let (app, _target) =
        std::thread::scope(|scope| scope.spawn(|| watched(&hosts)).join().unwrap());
    let (inside, address) = (Arc::clone(&hosts), app.address().to_owned());
    let relay = Relay::through(move || {
        inside.enter_monitor();
        TcpStream::connect(&address)
    });
    browse_at(relay.address(), |browser| {
        let services = browser.dashboard();
        browser.wait_for_services_in("up", 1);
        hosts.remove_route();
        services.row("pay").wait_for_state("unknown");
        browser.wait_for_services_in("down", 0);
        browser.wait_for_text("The network of this monitor");
        browser.check();
        browser.reload();
        browser.wait_for_text("The network of this monitor");
        hosts.restore_route();
        services.row("pay").wait_for_state("up");
        // The self-check may find the network a little later than the first probe.
        wait_until("no banner", || {
            browser.reload();
            !browser.page_text().contains("The network of this monitor")
        });
        // The time without a network is hatched in the strip of the hours.
        assert!(browser.has("svg.strip path.b-part, svg.strip path.b-none"));
        let label = browser.attribute("tr[data-id] svg.strip", "aria-label");
        assert!(label.contains("no downtime"), "{label}");
    });
}
