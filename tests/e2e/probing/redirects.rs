//! Redirects: how far they are followed, where they may lead, and what is sent there.

use serde_json::{Value, json};

use crate::support::tls::{client_certificate_option, optional_client_certificate, read_head};
use crate::support::{Authority, Behaviour, Launch, Peer, Shape, Target, TlsServer, has_line};

/// Probes `target` with these options and returns the head of the last request.
fn received_head(target: &Target, options: Value) -> String {
    Launch::new().probe_command(&target.url()).options(options).run().assert_up();
    target.last_head()
}

#[test]
fn ten_redirects_are_followed_and_no_more() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hops);
    // Paused, so that no scheduled probe runs while the requests are counted.
    let ten = json!({"name": "ten", "url": target.at("/hops/10"), "enabled": false});
    let id = app.add_with(&ten);
    let probed = app.send("POST", &format!("/v1/services/{id}/probe"), &json!({}));
    assert_eq!(probed.body["data"]["probe"]["data"]["success"], true, "{}", probed.text);
    assert_eq!(target.request_count(), 11, "the request and ten redirects");
    let (reason, detail) = app.failure_of(&target.at("/hops/11"));
    assert_eq!((reason.as_str(), detail.as_str()), ("redirect_loop", "more than 10 redirects"));
}

#[test]
fn redirects_are_followed_up_to_the_limit_of_the_service() {
    let launch = Launch::new();
    let (there, hops) = (Target::healthy(), Target::start(Behaviour::Hops));
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    let stays = launch.probe_command(&here.url()).options(json!({"follow_redirects": false})).run();
    stays.assert_up();
    assert_eq!((&stays.outcome["http_status"], there.request_count()), (&json!(302), 0));
    let probe =
        |path: &str| launch.probe_command(&hops.at(path)).options(json!({"max_redirects": 2}));
    probe("/hops/2").run().assert_up();
    probe("/hops/3").run().assert_failed("redirect_loop", "more than 2 redirects");
}

#[test]
fn a_redirect_is_judged_by_its_destination() {
    let app = Launch::new().start();
    let sick = Target::start(Behaviour::Status(500));
    let to_sick = Target::start(Behaviour::RedirectTo(sick.url()));
    assert_eq!(app.failure_of(&to_sick.url()).0, "status");
    let to_file = Target::start(Behaviour::RedirectTo("file:///etc/passwd".into()));
    assert_eq!(app.failure_of(&to_file.url()).0, "redirect_blocked");
    let nowhere = Target::start(Behaviour::Status(304));
    let id = app.add("not-modified", &nowhere.url());
    app.wait_for_state(id, "up");
    let unsent = Target::start(Behaviour::Raw(
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n".to_vec(),
    ));
    let id = app.add("length-of-a-body-that-is-not-sent", &unsent.url());
    app.wait_for_state(id, "up");
    let early =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let interim = Target::start(Behaviour::Raw(early));
    let id = app.add("interim", &interim.url());
    app.wait_for_state(id, "up");
}

#[test]
fn each_bad_redirect_has_its_reason() {
    let launch = Launch::new();
    let metadata = "http://169.254.169.254/latest/meta-data/";
    for (behaviour, reason, detail) in [
        (Behaviour::RedirectLoop, "redirect_loop", "more than 10 redirects"),
        (
            Behaviour::RedirectTo("file:///etc/passwd".into()),
            "redirect_blocked",
            "not http or https",
        ),
        (Behaviour::RedirectTo("gopher://a/".into()), "redirect_blocked", "\"gopher://a/\""),
        (Behaviour::RedirectTo("http://[".into()), "redirect_blocked", "is not a URL"),
        (
            Behaviour::RedirectTo(metadata.into()),
            "address_blocked",
            "169.254.169.254 is link-local",
        ),
    ] {
        let target = Target::start(behaviour);
        launch.probe_command(&target.url()).run().assert_failed(reason, detail);
    }
}

#[test]
fn a_redirect_to_an_unusable_url_is_a_fault_of_the_target() {
    let launch = Launch::new();
    let long = format!("http://127.0.0.1/{}", "a".repeat(70_000));
    let many = "is multicast or broadcast";
    for (to, reason, detail) in [
        (long.as_str(), "redirect_blocked", "cannot be requested: \"http://127.0.0.1/aaa"),
        ("http://a{b/", "redirect_blocked", "cannot be requested: \"http://a{b/\""),
        ("http://224.0.0.1/", "address_blocked", many),
        ("http://255.255.255.255/", "address_blocked", many),
    ] {
        let target = Target::start(Behaviour::RedirectTo(to.to_owned()));
        launch.probe_command(&target.url()).run().assert_failed(reason, detail);
    }
}

#[test]
fn secrets_are_not_sent_to_another_origin() {
    let options = json!({
        "headers": {
            "X-Api-Key": "k3y", "Cookie": "session=1", "X-Plain": "seen", "Host": "here.example"
        },
        "bearer_token": "t0ken",
    });
    let secret = ["authorization: Bearer t0ken", "x-api-key: k3y", "cookie: session=1"];
    let hops = Target::start(Behaviour::Hops);
    let probed = Launch::new().probe_command(&hops.at("/hops/1")).options(options.clone()).run();
    probed.assert_up();
    for line in secret {
        assert!(has_line(&hops.last_head(), line), "the same origin: {}", hops.last_head());
    }

    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    received_head(&here, options);
    for line in secret {
        assert!(has_line(&here.last_head(), line), "{}", here.last_head());
        assert!(!has_line(&there.last_head(), line), "another port: {}", there.last_head());
    }
    assert!(has_line(&there.last_head(), "x-plain: seen"), "{}", there.last_head());
    let host = format!("host: 127.0.0.1:{}", there.port());
    assert!(has_line(&there.last_head(), &host), "{}", there.last_head());
}

#[test]
fn tls_options_do_not_apply_to_another_origin() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::named("clients");
    let known = clients.certify("client.example", Shape::Good);
    // This server would reject the certificate.
    let there = optional_client_certificate(&authority.certify("localhost", Shape::Good));
    let there = Peer::tls(there, |wire| {
        read_head(wire)?;
        wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        wire.flush()
    });
    let leads = format!(
        "HTTP/1.1 302 Found\r\nlocation: https://localhost:{}/\r\ncontent-length: 0\r\n\r\n",
        there.port()
    );
    let here = TlsServer::new(authority.certify("here.example", Shape::Good));
    let here = Peer::tls(here.requiring_clients_of(clients).config(), move |wire| {
        read_head(wire)?;
        wire.write_all(leads.as_bytes())?;
        wire.flush()
    });
    let mut tls = client_certificate_option(&authority, &known);
    tls["server_name"] = json!("here.example");
    let probed = launch.probe_command(&here.url("https")).options(json!({"tls": tls})).run();
    probed.assert_up();
    assert_eq!(probed.outcome["redirects"], 1);
}

#[test]
fn a_post_that_is_redirected_becomes_a_get_without_its_body() {
    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    received_head(&here, json!({"method": "POST", "body": "once"}));
    assert_eq!(here.last_body(), "once");
    assert!(there.last_head().starts_with("GET / HTTP/1.1\r\n"), "{}", there.last_head());
    assert_eq!(there.last_body(), "");
}
