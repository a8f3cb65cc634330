//! Targets over UDP.

use serde_json::json;

use crate::support::{Launch, UdpPeer, ensure, retry_while_busy};

#[test]
fn a_text_is_sent_until_a_response_arrives() {
    let (launch, echo) = (Launch::new(), UdpPeer::echo("you said "));
    let probe = || launch.probe_command(&echo.url()).options(json!({"body": "ping"}));
    probe().run().assert_up();
    probe().condition("[BODY] == you said ping").run().assert_up();
    probe().condition("[CONNECTED] == true").run().assert_up();
    let other = probe().condition("[BODY] == pong").run();
    other.assert_failed("condition", "[BODY] (you said ***) == pong");
    let expecting = |expect: &str| {
        launch.probe_command(&echo.url()).options(json!({"body": "ping", "expect": expect})).run()
    };
    expecting("said *ing").assert_up();
    expecting("pong").assert_failed("condition", "\"you said ***\" does not contain");
    let limited = json!({"body": "ping", "body_limit_bytes": 5});
    let limited = launch.probe_command(&echo.url()).options(limited).run();
    limited.assert_failed("too_large", "more than 5 bytes");
    let placeholder = json!({"body": "[LOCAL_ADDRESS]"});
    let command = launch.probe_command(&echo.url()).options(placeholder);
    command.condition("[BODY] == pat(you said 127.0.0.1:*)").run().assert_up();
}

#[test]
fn a_datagram_that_was_lost_is_sent_again() {
    let launch = Launch::new();
    retry_while_busy(|| {
        let lost = std::sync::atomic::AtomicBool::new(false);
        let peer = UdpPeer::start(move |packet| {
            let was_lost = lost.swap(true, std::sync::atomic::Ordering::SeqCst);
            was_lost.then(|| packet.to_vec())
        });
        let probed = launch.probe_command(&peer.url()).options(json!({"body": "ping"})).run();
        ensure(probed.is_up() && peer.received() == 2, || format!("{probed:?}"))
    });
}

#[test]
fn a_closed_port_is_refused_and_a_silent_one_is_up_only_without_a_text() {
    let launch = Launch::new();
    for options in [json!({}), json!({"body": "ping"})] {
        let closed = launch.probe_command("udp://127.0.0.1:1").options(options.clone()).run();
        closed.assert_failed("refused", "probing 127.0.0.1:1: ");
        let command = launch.probe_command("udp://127.0.0.1:1").options(options);
        command.condition("[CONNECTED] == false").run().assert_up();
    }
    let silent = UdpPeer::start(|_| None);
    let probed = launch.probe_command(&silent.url()).condition("[CONNECTED] == true").run();
    probed.assert_up();
    assert_eq!(silent.received(), 1, "an empty datagram");
    let command = launch.probe_command(&silent.url()).options(json!({"body": "ping"}));
    command.timeout(1.5).run().assert_failed("timeout", "still waiting for the response");
    retry_while_busy(|| {
        // The wait for a refusal lasts a second.
        let probed = launch.probe_command(&silent.url()).run();
        probed.assert_up();
        ensure(probed.response_time_ms() < 500.0, || format!("{probed:?}"))
    });
}

#[test]
fn any_response_will_do_without_a_text() {
    let (launch, peer) = (Launch::new(), UdpPeer::echo("hello"));
    launch.probe_command(&peer.url()).run().assert_up();
    launch.probe_command(&peer.url()).condition("[BODY] == hello").run().assert_up();
}
