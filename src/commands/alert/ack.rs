//! `service-healthcheck alert ack ID`: acknowledge an alert of the running service.

use serde_json::{Map, Value, json};

use crate::cli::AckArgs;
use crate::commands::client::Client;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::error::Error;

/// Acknowledges the alert, or takes the acknowledgement back.
pub(super) fn run(config: &Config, args: &AckArgs) -> Result<(), Error> {
    let client = Client::new(config);
    let path = format!("/v1/alerts/{}/acknowledge", args.id);
    let data = if args.undo { client.delete(&path) } else { client.post(&path, &body(args)) }?;
    let alert = &data["alert"]["data"];
    let state = alert["state"].as_str().unwrap_or_default();
    print_line(format_args!("alert {} is {state}", args.id));
    Ok(())
}

fn body(args: &AckArgs) -> Value {
    let fields = [("by", &args.by), ("note", &args.note)];
    let texts = fields.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
    let mut body: Map<String, Value> = texts.map(|(name, it)| (name.to_owned(), it)).collect();
    if let Some(until_ms) = args.until {
        body.insert("until".to_owned(), json!(until_ms.div_euclid(1_000)));
    }
    Value::Object(body)
}
