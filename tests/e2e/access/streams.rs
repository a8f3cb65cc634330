//! What a stream shows to a token, and until when.

use serde_json::json;

use super::{API_TOKEN, Client};
use crate::support::{EventStream, Launch};

#[test]
fn a_stream_shows_the_groups_of_its_token_and_ends_with_it() {
    let app = Launch::new().with("API_TOKEN", API_TOKEN).with("API_READ", "token").start();
    let client = Client(&app);
    let [core, web] = ["core", "web"].map(|group| {
        let url = "http://127.0.0.1:9/";
        client.add(&json!({"name": group, "group": group, "url": url, "enabled": false}))
    });
    let (id, token) = client.create("core", &["read"], Some(&["core"]));
    let mut stream = EventStream::open_as(&app, "", &token);
    stream.wait_for("hello", |_| true);
    for (service, name) in [(web, "hidden"), (core, "seen")] {
        let (path, change) = (format!("/v1/services/{service}"), json!({"name": name}));
        let reply = client.with_token(API_TOKEN, "PATCH", &path, &change.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(stream.wait_for("state", |_| true).data["name"], "seen");
    let counts = stream.wait_for("counts", |_| true).data;
    assert_eq!(counts["counts"]["total"], 1, "{counts}");
    let groups = counts["groups"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["name"] == "core"), "{counts}");
    client.revoke(id);
    stream.wait_for_end();
    assert_eq!(client.get(&token, "/v1/stream").status, 401);
}
