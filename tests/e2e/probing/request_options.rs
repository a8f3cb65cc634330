//! What a service can say of how it is asked, as its target sees it; and that nobody else sees its secrets.

use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, Authority, Behaviour, GrpcHealth, Identity, Launch, NameServer, Shape, Target, Terms,
    basic, has_line,
};

/// Probes `target` with these options, and gives the head of what it saw last.
fn head_seen(target: &Target, options: Value) -> String {
    Launch::new().asking(&target.url()).options(options).probe().assert_up();
    target.last_head()
}

#[test]
fn a_request_is_sent_as_the_service_says() {
    let target = Target::healthy();
    let head = head_seen(
        &target,
        json!({
            "method": "put",
            "headers": {"Host": "else.example", "Content-Type": "text/plain", "X-Price": "5$"},
            "body": "a ${NAME} that is none, ü",
            "basic_auth": {"username": "ann", "password": "p:w"},
        }),
    );
    assert!(head.starts_with("PUT / HTTP/1.1\r\n"), "{head}");
    for line in ["host: else.example", "content-type: text/plain", "x-price: 5$"] {
        assert!(has_line(&head, line), "{line} in {head}");
    }
    assert!(has_line(&head, &basic("ann:p:w")), "{head}");
    assert_eq!(target.last_body(), "a ${NAME} that is none, ü");
    assert_eq!(head.to_lowercase().matches("\r\nhost:").count(), 1, "{head}");

    let head = head_seen(&target, json!({"bearer_token": "t0ken"}));
    assert!(has_line(&head, "authorization: Bearer t0ken"), "{head}");
    let head = head_seen(&target, json!({"method": "HEAD"}));
    assert!(head.starts_with("HEAD / HTTP/1.1\r\n"), "{head}");
}

#[test]
fn redirects_are_followed_as_far_as_the_service_says() {
    let launch = Launch::new();
    let (there, hops) = (Target::healthy(), Target::start(Behaviour::Hops));
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    let stays = launch.asking(&here.url()).options(json!({"follow_redirects": false})).probe();
    stays.assert_up();
    assert_eq!((&stays.outcome["http_status"], there.hits()), (&json!(302), 0));
    let ask = |path: &str| launch.asking(&hops.at(path)).options(json!({"max_redirects": 2}));
    ask("/hops/2").probe().assert_up();
    ask("/hops/3").probe().assert_failed("redirect_loop", "more than 2 redirects");
}

#[test]
fn what_is_secret_does_not_follow_to_another_origin() {
    let options = json!({
        "headers": {"X-Api-Key": "k3y", "Cookie": "session=1", "X-Plain": "seen", "Host": "here.example"},
        "bearer_token": "t0ken",
    });
    let secret = ["authorization: Bearer t0ken", "x-api-key: k3y", "cookie: session=1"];
    let hops = Target::start(Behaviour::Hops);
    let probed = Launch::new().asking(&hops.at("/hops/1")).options(options.clone()).probe();
    probed.assert_up();
    for line in secret {
        assert!(has_line(&hops.last_head(), line), "the same origin: {}", hops.last_head());
    }

    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    head_seen(&here, options);
    for line in secret {
        assert!(has_line(&here.last_head(), line), "{}", here.last_head());
        assert!(!has_line(&there.last_head(), line), "another port: {}", there.last_head());
    }
    assert!(has_line(&there.last_head(), "x-plain: seen"), "{}", there.last_head());
    let host = format!("host: 127.0.0.1:{}", there.port());
    assert!(has_line(&there.last_head(), &host), "{}", there.last_head());
}

#[test]
fn a_post_that_is_redirected_becomes_a_get_without_its_body() {
    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    head_seen(&here, json!({"method": "POST", "body": "once"}));
    assert_eq!(here.last_body(), "once");
    assert!(there.last_head().starts_with("GET / HTTP/1.1\r\n"), "{}", there.last_head());
    assert_eq!(there.last_body(), "");
}

#[test]
fn http_2_is_spoken_where_a_service_asks_for_it() {
    let authority = Authority::new();
    let (plain, launch) = (GrpcHealth::plain(), Launch::new());
    let secured = GrpcHealth::secured(
        Terms::of(authority.certify("127.0.0.1", Shape::Good)).speaking("h2").config(),
    );
    for (server, scheme) in [(&plain, "http"), (&secured, "https")] {
        let ask = |path: &str, condition: &str| {
            let options = json!({
                "http_version": "2", "method": "PUT", "headers": {"X-Seen": "yes", "Host": "named"},
                "tls": {"ca": authority.pem()}
            });
            let url = format!("{}{path}", server.url(scheme));
            launch.asking(&url).options(options).condition(condition).probe()
        };
        let probed = ask("/", "[BODY].method == PUT");
        probed.assert_up();
        assert_eq!(probed.outcome["http_version"], "2");
        ask("/", "[BODY].host == named").assert_up();
        ask("/hop", "[BODY].seen == yes").assert_up();
        ask("/status/503", "[STATUS] == 503").assert_up();
        let options = json!({"http_version": "2", "insecure": true});
        let url = format!("{}/status/503", server.url(scheme));
        launch.asking(&url).options(options).probe().assert_failed("status", "503 Service");
    }
    let one = Target::healthy();
    let probed = launch.asking(&one.url()).options(json!({"http_version": "2"})).probe();
    probed.assert_failed("protocol", "HTTP/2");
}

#[test]
fn the_version_of_http_must_be_the_one_that_is_wanted() {
    let launch = Launch::new();
    let (new, old) = (
        Target::healthy(),
        Target::start(Behaviour::Raw(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())),
    );
    let ask = |target: &Target, version: &str| {
        launch.asking(&target.url()).options(json!({"http_version": version})).probe()
    };
    ask(&new, "1.1").assert_up();
    ask(&old, "1.0").assert_up();
    ask(&new, "1.0").assert_failed("protocol", "HTTP 1.1 was spoken, and not 1.0");
    ask(&old, "1.1").assert_failed("protocol", "HTTP 1.0 was spoken, and not 1.1");
}

#[test]
fn a_service_says_whom_it_trusts_and_under_which_name() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let ask = |shape: Shape, options: Value| {
        let server = authority.serve_shape(shape);
        launch.asking(&server.url("https")).options(options).probe()
    };
    let ca = authority.pem();
    ask(Shape::Good, json!({"tls": {"ca": ca}})).assert_up();
    let stranger = Authority::called("a stranger").pem();
    ask(Shape::Good, json!({"tls": {"ca": stranger}})).assert_failed("tls_untrusted", "");
    let named = json!({"tls": {"ca": ca, "server_name": "else.example"}});
    ask(Shape::ForAnotherName, named.clone()).assert_up();
    ask(Shape::Good, named).assert_failed("tls_hostname", "not valid for name");
    for shape in [Shape::SelfSigned, Shape::Expired, Shape::ForAnotherName, Shape::OfAnAuthority] {
        ask(shape, json!({"insecure": true})).assert_up();
    }
}

#[test]
fn a_service_shows_its_certificate_to_a_target_that_demands_one() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let (known, unknown) = (
        clients.certify("client.example", Shape::Good),
        authority.certify("client.example", Shape::Good),
    );
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(clients).serve();
    let ask = |identity: &Identity| {
        let tls = json!({
            "ca": authority.pem(),
            "certificate": identity.certificate_pem(),
            "private_key": identity.key_pem(),
        });
        launch.asking(&server.url("https")).options(json!({"tls": tls})).probe()
    };
    ask(&known).assert_up();
    ask(&unknown).assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn a_target_that_demands_a_certificate_is_down_for_those_who_have_none() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(clients).serve();
    for scheme in ["tls", "https", "wss"] {
        let options = json!({"tls": {"ca": authority.pem()}});
        let probed = launch.asking(&server.url(scheme)).options(options).probe();
        probed.assert_failed("tls_handshake", "fatal alert");
    }
}

#[test]
fn a_service_that_wants_tls_1_3_is_not_content_with_less() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let old = Terms::of(authority.certify("127.0.0.1", Shape::Good)).only_tls12().serve();
    let ask = |version: &str| {
        let tls = json!({"ca": authority.pem(), "min_version": version});
        launch.asking(&old.url("https")).options(json!({"tls": tls})).probe()
    };
    let probed = ask("1.2");
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.2");
    ask("1.3").assert_failed("tls_handshake", "in the TLS handshake: ");
}

#[test]
fn an_address_of_the_wrong_family_is_no_address() {
    let target = Target::healthy();
    let launch = Launch::new();
    let ask =
        |family: &str| launch.asking(&target.url()).options(json!({"ip_family": family})).probe();
    ask("ip4").assert_up();
    ask("ip6").assert_failed("dns_no_such_name", "127.0.0.1 is not of the family");
    assert_eq!(target.hits(), 1);
}

#[test]
fn a_name_that_moves_is_followed_by_the_next_probe() {
    let (names, target) = (NameServer::start(), Target::healthy());
    let moves_to =
        |address: &str| names.says("web.example", RecordType::A, Answer::address(address));
    moves_to("127.0.0.1");
    let app = Launch::new().start();
    let id = app.add_with(&json!({
        "name": "moving",
        "url": target.url().replace("127.0.0.1", "web.example"),
        "resolver": names.as_resolver(),
    }));
    app.wait_for_state(id, "up");
    // The target listens on one address only.
    moves_to("127.0.0.9");
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "refused");
    moves_to("127.0.0.1");
    app.wait_for_state(id, "up");
}

#[test]
fn a_resolver_over_tcp_is_asked_over_tcp() {
    let (names, target) = (NameServer::start(), Target::healthy());
    names.says("web.example", RecordType::A, Answer::address("127.0.0.1"));
    let url = target.url().replace("127.0.0.1", "web.example");
    let options = json!({"resolver": names.as_resolver().replace("udp:", "tcp:")});
    Launch::new().asking(&url).options(options).probe().assert_up();
    assert!(names.asked_over_tcp() >= 1);
}

/// An answer whose body would unfold to 64 MiB and more.
fn bomb(coding: &str, body: &[u8]) -> Behaviour {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    );
    Behaviour::Raw([head.as_bytes(), body].concat())
}

#[test]
fn a_body_that_would_unfold_to_a_flood_is_taken_as_it_comes() {
    let app = Launch::new().start();
    let memory = || app.metric("process_resident_memory_bytes").unwrap();
    let before = memory();
    for (coding, body) in [
        ("gzip", &include_bytes!("../support/bomb.gz")[..]),
        ("br", &include_bytes!("../support/bomb.br")[..]),
        ("zstd", &include_bytes!("../support/bomb.zst")[..]),
    ] {
        let target = Target::start(bomb(coding, body));
        for nth in 0..4 {
            let name = format!("{coding}-{nth}");
            let conditions = json!(["[BODY] == unfolded"]);
            let id =
                app.add_with(&json!({"name": name, "url": target.url(), "conditions": conditions}));
            let down = app.wait_for_state(id, "down");
            assert_eq!(down["current_status"]["failure"]["reason"], "condition", "{down}");
            app.wait_for_ticks(id, 3);
        }
    }
    let grown = memory() - before;
    assert!(grown < 48.0 * 1024.0 * 1024.0, "{grown} bytes more");
}
