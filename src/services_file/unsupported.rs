//! Endpoints that Gatus can probe and this program cannot. They are left out with a notice, so that
//! the rest of the file loads and no target is blamed.

use serde_json::{Map, Value};

use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::field::{CONDITIONS, ENABLED, URL};
use crate::spec::ssh;

const SCTP: &str = "not probed, the endpoint is left out: SCTP is not supported; a tcp or exec \
                    endpoint may watch the same service";

const SSH_COMMAND: &str = "not probed, the endpoint is left out: its conditions judge a command \
                           over SSH, which is not run; watch it with exec://check_by_ssh";

const SSH_LOGIN: &str = "not used: there is no login, only the identification of the server is \
                         checked; exec://check_by_ssh runs a command";

/// Whether the endpoint is left out, with a notice. An endpoint that needs an SSH login only to
/// connect stays, without its credentials.
pub fn is_left_out(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) -> bool {
    if has_scheme(object, "sctp") {
        item.notice(URL.file, SCTP, findings);
        return true;
    }
    if !ssh::has_credentials(object.get(ssh::KEY)) {
        return false;
    }
    object.remove(ssh::KEY);
    let is_left_out = has_scheme(object, "ssh") && judges_a_command(object);
    let advice = match has_scheme(object, "ssh") {
        true if is_left_out => SSH_COMMAND,
        true => SSH_LOGIN,
        false => "only used by ssh targets",
    };
    item.notice(ssh::KEY, advice, findings);
    is_left_out
}

/// Client keys for a connection that only Gatus can make. A direct probe would say nothing about
/// the target: without its tunnel a host is out of reach, and a proxy answers with its login page.
const CONNECTIONS: [&str; 2] = ["tunnel", "identity-aware-proxy"];

/// Pauses an endpoint that needs such a connection; the keys have a notice of their own.
pub fn pause_without_connection(object: &mut Map<String, Value>) {
    let client = object.get("client").and_then(Value::as_object);
    let needs = |key: &&str| {
        client.and_then(|client| client.get(*key)).is_some_and(|value| !value.is_null())
    };
    if CONNECTIONS.iter().any(needs) {
        object.insert(ENABLED.file.to_owned(), Value::from("false"));
    }
}

fn has_scheme(object: &Map<String, Value>, scheme: &str) -> bool {
    let url = object.get(URL.file).and_then(Value::as_str);
    let written = url.and_then(|url| url.split_once("://"));
    written.is_some_and(|(written, _)| written.eq_ignore_ascii_case(scheme))
}

/// The status of a command, and its output, are `[STATUS]` and `[BODY]` in Gatus.
fn judges_a_command(object: &Map<String, Value>) -> bool {
    let conditions = object.get(CONDITIONS.file).and_then(Value::as_array);
    let mut texts = conditions.into_iter().flatten().filter_map(Value::as_str);
    texts.any(|text| {
        let text = text.to_ascii_uppercase();
        text.contains("[STATUS]") || text.contains("[BODY]")
    })
}
