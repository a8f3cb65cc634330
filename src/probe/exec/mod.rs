//! External checks: `exec://NAME` runs a plugin of `PLUGINS_DIR` (Nagios plugin development
//! guidelines).
//!
//! | file | content |
//! |---|---|
//! | [`launcher`] | this program as the process that limits itself and becomes the plugin |
//! | [`folder`] | which files may run |
//! | [`process`] | runs the process and reads its output within limits |
//! | [`group`] | the process group: killed as a whole, reaped |
//! | [`output`], [`perfdata`] | the output: text and performance data |

pub mod folder;
pub mod group;
pub mod launcher;
mod output;
mod perfdata;
mod process;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::domain::{Condition, Failure, PluginResult, PluginState, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::exec::output::first_line;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Runs the plugin. The status is its exit code, the body its text, with the performance data as
/// JSON.
///
/// A plugin that could not make its check says nothing about the target: that is a local fault,
/// unless a condition judges the exit code.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let Some(rules) = &context.resources.rules.plugins else {
        return Err(Failure::new(Reason::LocalConfig, "PLUGINS_DIR is not set"));
    };
    let name = context.url.path().trim_start_matches('/');
    let args: Result<Vec<String>, Failure> =
        context.options().args.iter().map(|arg| context.fill(arg)).collect();
    context.enter(Phase::Processing);
    let finished = process::run(launcher::command(rules, name, &args?)).await?;
    let state = state_of(finished.status, &finished.stdout, &finished.stderr)?;
    let result = output::parse(state, &finished.stdout, &finished.stderr);
    let response = response(&result);
    context.update_details(|details| details.plugin = Some(Arc::new(result)));
    let is_judged = context.service.conditions.iter().any(Condition::reads_status);
    match &response.plain {
        Err(failure) if failure.reason.is_local() && !is_judged => Err(failure.clone()),
        _ => Ok(response),
    }
}

/// The state that a plugin with this exit status reported.
fn state_of(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Result<PluginState, Failure> {
    let broken = |detail: String| Err(Failure::new(Reason::LocalPlugin, detail));
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        return broken(format!("the plugin was ended by signal {signal}"));
    };
    let error = first_line(stderr);
    match error.strip_prefix(launcher::REFUSED) {
        Some(why) if code == i32::from(launcher::REFUSED_CODE) => {
            Err(Failure::new(Reason::LocalConfig, format!("the plugin cannot be run: {why}")))
        }
        _ => PluginState::from_exit_code(code).map_or_else(
            || {
                let text = [first_line(stdout), error].into_iter().find(|it| !it.is_empty());
                let text = text.map(|text| format!(": {text}")).unwrap_or_default();
                broken(format!("exit code {code} is none of 0 to 3{text}"))
            },
            Ok,
        ),
    }
}

fn response(result: &PluginResult) -> ProbeResponse {
    let failure = |reason| Err(Failure::new(reason, explain(result)));
    let plain = match result.state {
        PluginState::Ok | PluginState::Warning => Ok(()),
        PluginState::Critical => failure(Reason::Status),
        PluginState::Unknown => failure(Reason::LocalPlugin),
    };
    let values = result.perfdata.iter().map(|value| {
        let number = value.value.as_ref().map_or(Value::Null, |number| number.json());
        (value.label.clone(), number)
    });
    let json = json!({"text": result.text, "perfdata": Map::from_iter(values)});
    ProbeResponse {
        status: Some(result.state.exit_code()),
        body: result.text.clone().into_bytes(),
        json: Some(json),
        plain,
        ..ProbeResponse::default()
    }
}

/// State and text; most plugins write the state themselves.
fn explain(result: &PluginResult) -> String {
    let state = result.state.as_str();
    match result.text.as_str() {
        "" => format!("{state}: no output"),
        text if text.to_ascii_uppercase().contains(state) => text.to_owned(),
        text => format!("{state}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(code: i32, stdout: &str) -> Result<(), (Reason, String)> {
        let status = ExitStatus::from_raw(code << 8);
        let judge = || {
            let state = state_of(status, stdout.as_bytes(), b"")?;
            response(&output::parse(state, stdout.as_bytes(), b"")).plain
        };
        judge().map_err(|failure| (failure.reason, failure.detail))
    }

    #[test]
    fn exit_codes_are_judged_as_nagios_defines_them() {
        assert_eq!(plain(0, "OK"), Ok(()));
        assert_eq!(plain(1, "WARNING - slow"), Ok(()), "a warning is up");
        for (code, stdout, reason, detail) in [
            (2, "refused", Reason::Status, "CRITICAL: refused"),
            (2, "DISK CRITICAL - full | a=1", Reason::Status, "DISK CRITICAL - full"),
            (2, "", Reason::Status, "CRITICAL: no output"),
            (3, "bad option", Reason::LocalPlugin, "UNKNOWN: bad option"),
            (4, "x", Reason::LocalPlugin, "exit code 4 is none of 0 to 3: x"),
            (127, "", Reason::LocalPlugin, "exit code 127 is none of 0 to 3"),
        ] {
            assert_eq!(plain(code, stdout), Err((reason, detail.to_owned())), "{code} {stdout}");
        }
    }

    #[test]
    fn a_plugin_that_a_signal_ended_or_that_was_refused_says_nothing_about_the_target() {
        let failure = |raw, stderr: &str| {
            let failure = state_of(ExitStatus::from_raw(raw), b"", stderr.as_bytes()).unwrap_err();
            (failure.reason, failure.detail)
        };
        let signalled = (Reason::LocalPlugin, "the plugin was ended by signal 11".to_owned());
        assert_eq!(failure(11, ""), signalled);
        let refused = "the plugin cannot be run: no such plugin".to_owned();
        let stderr = "service-healthcheck: no such plugin\n";
        assert_eq!(failure(126 << 8, stderr), (Reason::LocalConfig, refused));
        let other = "exit code 126 is none of 0 to 3: boo".to_owned();
        assert_eq!(failure(126 << 8, "boo"), (Reason::LocalPlugin, other));
    }

    #[test]
    fn conditions_read_text_and_values() {
        let stdout = "OK - fine | time=0.5s;1;2 '/a b'=7 size=U";
        let response = response(&output::parse(PluginState::Ok, stdout.as_bytes(), b""));
        assert_eq!(response.body, b"OK - fine");
        let expected = json!({
            "text": "OK - fine", "perfdata": {"time": 0.5, "/a b": 7, "size": null}
        });
        assert_eq!(response.json, Some(expected));
    }
}
