//! Labels of a service on `/metrics`.

use serde_json::json;

use crate::support::{Launch, Store, Target, stores};

stores!(
    labels_of_the_owner_are_stored_changed_and_exposed,
    the_extra_labels_of_a_services_file_are_labels,
);

fn labels_of_the_owner_are_stored_changed_and_exposed(store: Store) {
    let launch = Launch::on(store);
    let app = launch.start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "group": "g",
        "labels": {"team": "say \"hi\" \\", "phase": "production", "Team": "other"}
    }));
    let plain = app.add("b", &target.url());
    for id in [id, plain] {
        app.wait_for_ticks(id, 1);
    }
    let has = |series: &str| {
        let text = app.get("/metrics").text;
        assert!(text.contains(series), "{series} in\n{text}");
    };
    has("probe_success{service_id=\"1\",name=\"a\",group=\"g\",Team=\"other\",\
         exported_phase=\"production\",team=\"say \\\"hi\\\" \\\\\"} 1");
    has("probe_success{service_id=\"2\",name=\"b\",group=\"\"} 1");

    let changed = app.change(id, &json!({"labels": {"team": "new", "phase": null}}));
    assert_eq!(changed["labels"], json!({"Team": "other", "team": "new"}), "names have a case");
    has("probe_success{service_id=\"1\",name=\"a\",group=\"g\",Team=\"other\",team=\"new\"} 1");
    app.wait_for_ticks(id, 2);
    app.stop();
    let (code, exported) = launch.run(&["export", "--format", "openmetrics", "--service", "a"]);
    assert_eq!(code, Some(0));
    assert!(
        exported.contains("group=\"g\",Team=\"other\",team=\"new\",phase=\"tls\"}"),
        "{exported}"
    );
}

#[test]
fn an_invalid_label_is_refused_by_its_name() {
    let app = Launch::new().start();
    let refused = |labels| {
        let body = json!({"name": "a", "url": "http://127.0.0.1:1/", "labels": labels});
        app.rejected("POST", "/v1/services", &body)
    };
    for name in ["a-b", "1a", "__a", "", "exported_name"] {
        let errors = refused(json!({name: "x"}));
        assert!(errors.starts_with(&format!("labels.{name}: invalid value")), "{errors}");
    }
    assert!(refused(json!({"a": "x\ny"})).contains("labels.a: invalid value"));
    assert!(refused(json!({"a": 1})).contains("labels.a: invalid value 1, expected a string"));
    assert!(refused(json!(["a"])).contains("labels: invalid value, expected a mapping"));
    let many: serde_json::Map<_, _> = (0..21).map(|nth| (format!("a{nth}"), "x".into())).collect();
    assert!(refused(json!(many)).contains("at most 20 labels"));
}

fn the_extra_labels_of_a_services_file_are_labels(store: Store) {
    let target = Target::healthy();
    let list = format!(
        "endpoints:\n  - name: a\n    url: '{}'\n    \
         extra-labels: {{environment: prod, tier: 1}}\n",
        target.url()
    );
    let app = Launch::on(store).with_services_file(&list).start();
    app.wait_for_ticks(1, 1);
    let text = app.get("/metrics").text;
    let series = "group=\"\",environment=\"prod\",tier=\"1\"} 1";
    assert!(text.contains(series), "{text}");
}
