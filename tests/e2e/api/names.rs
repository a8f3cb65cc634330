//! Name and group identify a service.

use std::collections::HashSet;

use serde_json::json;

use crate::support::{Launch, Store, Target, stores};

stores!(one_name_may_be_in_two_groups_but_not_twice_in_one,);

fn one_name_may_be_in_two_groups_but_not_twice_in_one(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let body = |group| json!({"name": "api", "url": target.url(), "group": group});
    let core = app.add_with(&body(json!("core")));
    let edge = app.add_with(&body(json!("edge")));
    let alone = app.add_with(&body(json!(null)));
    let conflict = |method: &str, path: &str, body| {
        let reply = app.send(method, path, &body);
        assert_eq!(reply.status, 409, "{}", reply.text);
        reply.errors()
    };
    let of_core = r#"name: "core/api" is already taken in its group"#;
    let of_none = r#"name: "api" is already taken among the services without a group"#;
    assert_eq!(conflict("POST", "/v1/services", body(json!("core"))), of_core);
    for group in [json!(""), json!(null)] {
        assert_eq!(conflict("POST", "/v1/services", body(group)), of_none);
    }
    let path = format!("/v1/services/{edge}");
    assert_eq!(conflict("PATCH", &path, json!({"group": "core"})), of_core);
    assert_eq!(conflict("PATCH", &path, json!({"group": null})), of_none);

    for id in [core, edge, alone] {
        app.wait_for_ticks(id, 1);
    }
    let metrics = app.get("/metrics").text;
    let series: Vec<&str> = metrics.lines().filter(|it| it.starts_with("probe_success{")).collect();
    let different: HashSet<&str> = series.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!((series.len(), different.len()), (3, 3), "{series:?}");
    app.wait_for_log("name: core/api");

    app.delete(&format!("/v1/services/{core}"));
    assert_eq!(app.change(edge, &json!({"group": "core"}))["group"], "core");
}
