//! `token create`, `token list` and `token revoke`.

use super::{API_TOKEN, Client};
use crate::support::{Launch, Store, stores};

stores!(the_commands_go_through_the_api_while_a_service_runs_and_into_the_store_otherwise);

fn the_commands_go_through_the_api_while_a_service_runs_and_into_the_store_otherwise(store: Store) {
    let launch = Launch::on(store).with("API_READ", "token").with("API_TOKEN", API_TOKEN);
    let run = |launch: &Launch, words: &[&str]| {
        let (code, output) = launch.run(words);
        // On PostgreSQL, each command is an instance that the next one finds.
        let lines = output.lines().filter(|line| !line.starts_with("it was used by another"));
        (code, lines.collect::<Vec<_>>().join("\n"))
    };
    let create = ["token", "create", "--name", "first", "--scope", "read", "--scope", "probe"];
    let (code, first) = run(&launch, &create);
    assert_eq!((code, first.len()), (Some(0), 40), "{first}");
    let (code, output) = run(&launch, &create);
    assert!(code == Some(1) && output.contains("name: \"first\" is already taken"), "{output}");

    let app = launch.start();
    let client = Client(&app);
    assert_eq!(client.get(&first, "/v1/services").status, 200);
    let port = app.address().rsplit(':').next().unwrap();
    let beside = launch.clone().with("API_PORT", port);
    let words = ["--scope", "write", "--group", "core", "--expires", "90d"];
    let words = [&["token", "create", "--name", "second"][..], &words].concat();
    let (code, second) = run(&beside, &words);
    assert_eq!((code, second.len()), (Some(0), 40), "{second}");
    assert_eq!(client.get(&second, "/v1/services").status, 200, "it holds at once");
    let (code, listed) = run(&beside, &["token", "list"]);
    assert_eq!((code, listed.lines().count()), (Some(0), 2), "{listed}");
    assert!(listed.contains(&format!("active {} first: read, probe", &first[..8])), "{listed}");
    assert!(listed.contains("second: write; groups core; created 2"), "{listed}");
    assert!(!listed.contains(&first[8..]) && listed.contains("; expires 2"), "{listed}");
    assert_eq!(run(&beside, &["token", "revoke", "second"]).0, Some(0));
    assert_eq!(client.get(&second, "/v1/services").status, 401);

    // Without the token of the same configuration, the command says what it needs.
    let (code, output) = run(&beside.with("API_TOKEN", ""), &["token", "list"]);
    assert!(code == Some(1) && output.contains("with API_TOKEN: authorization: "), "{output}");
    app.stop();

    assert_eq!(run(&launch, &["token", "revoke", "first"]).0, Some(0));
    let (code, output) = run(&launch, &["token", "revoke", "first"]);
    assert!(code == Some(1) && output.contains("there is no token \"first\""), "{output}");
    let app = launch.start();
    assert_eq!(Client(&app).get(&first, "/v1/services").status, 401);
    drop(app);
    let (code, output) = run(&launch, &["token", "create", "--name", "x", "--scope", "all"]);
    assert!(code == Some(2) && output.contains("expected metrics, read, write"), "{output}");
}
