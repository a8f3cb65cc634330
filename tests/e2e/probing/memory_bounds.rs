//! Endless and compressed bodies: memory stays bounded.

use serde_json::json;

use crate::support::{App, Behaviour, Launch, Target};

fn memory(app: &App) -> f64 {
    app.metric("process_resident_memory_bytes").unwrap()
}

#[test]
fn endless_bodies_and_compression_bombs_use_bounded_memory() {
    let app = Launch::new().start();
    let before = memory(&app);
    let unfinished = b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec();
    for behaviour in [Behaviour::Endless, Behaviour::GzipBomb, Behaviour::Raw(unfinished)] {
        let targets: Vec<Target> = (0..8).map(|_| Target::start(behaviour.clone())).collect();
        for target in &targets {
            let id = app.add(&target.url(), &target.url());
            let service = app.wait_for_ticks(id, 3);
            assert_eq!(service["state"], "up", "{behaviour:?}: {service}");
        }
    }
    let grown = memory(&app) - before;
    assert!(grown < 48.0 * 1024.0 * 1024.0, "{grown} bytes more");
}

/// A response with a body that decompresses to 64 MiB and more.
fn bomb(coding: &str, body: &[u8]) -> Behaviour {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    );
    Behaviour::Raw([head.as_bytes(), body].concat())
}

#[test]
fn compression_bombs_are_unpacked_up_to_the_limit_of_the_body() {
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
            assert_eq!(down["current_status"]["failure"]["reason"], "too_large", "{down}");
            app.wait_for_ticks(id, 3);
        }
    }
    let grown = memory() - before;
    assert!(grown < 48.0 * 1024.0 * 1024.0, "{grown} bytes more");
}
