//! `service-healthcheck alert test CHANNEL`: deliver a test message.

use std::path::Path;
use std::process::ExitCode;

use actix_rt::System;
use serde_json::{Map, Value, json};

use super::channels;
use crate::alerting::Sender;
use crate::cli::ChannelArgs;
use crate::commands::client::Client;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::domain::alert::Attempt;
use crate::error::Error;

/// Delivers a test message over the running service, or with `--file` by itself. The exit code is 0
/// when the receiver took it.
pub(super) fn run(config: &Config, args: &ChannelArgs) -> Result<ExitCode, Error> {
    let results = match &args.file {
        Some(file) => of_file(config, file, args)?,
        None => vec![of_service(config, args)?],
    };
    let all_delivered = results.iter().all(|result| result.error.is_none());
    for result in results {
        print_line(format_args!("{}: {}", args.channel, result.text()));
    }
    Ok(if all_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of one message.
struct Outcome {
    http_status: Option<u64>,
    /// `None` when it was delivered.
    error: Option<String>,
}

impl Outcome {
    fn text(&self) -> String {
        let status = self.http_status.map(|status| format!(" (HTTP {status})"));
        let status = status.unwrap_or_default();
        match &self.error {
            None => format!("delivered{status}"),
            Some(error) => format!("not delivered{status}: {error}"),
        }
    }
}

fn of_service(config: &Config, args: &ChannelArgs) -> Result<Outcome, Error> {
    let client = Client::new(config);
    let id = channel_id(&client, &args.channel)?;
    let state = args.state.message_state().as_str();
    let data = client.post(&format!("/v1/channels/{id}/test?state={state}"), &json!({}))?;
    let test = &data["test"]["data"];
    let error = test["error"].as_str().map(str::to_owned);
    Ok(Outcome { http_status: test["http_status"].as_u64(), error })
}

fn channel_id(client: &Client<'_>, name: &str) -> Result<i64, Error> {
    let data = client.get("/v1/channels?limit=1000")?;
    let channels = data["channels"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = channels.iter().find(|channel| channel["name"] == name);
    let id = named.and_then(|channel| channel["id"].as_i64());
    let names = || channels.iter().filter_map(|channel| channel["name"].as_str());
    id.ok_or_else(|| channels::unknown(name, names()))
}

/// One result for each recipient.
fn of_file(config: &Config, file: &Path, args: &ChannelArgs) -> Result<Vec<Outcome>, Error> {
    let (channel, zone) = channels::of_file(config, file, &args.channel)?;
    let rules = channels::rules(config, zone)?;
    let messages = channels::messages(config, &channel, args.state);
    let overrides: Map<String, Value> = Map::new();
    Ok(System::new().block_on(async {
        let sender = Sender::new(rules);
        let mut results = Vec::new();
        for message in &messages {
            results.push(outcome(sender.send(&channel, &overrides, message).await));
        }
        results
    }))
}

fn outcome(attempt: Attempt) -> Outcome {
    let (http_status, error) = match attempt {
        Attempt::Delivered { http_status, .. } => (http_status, None),
        Attempt::ChannelFailed { http_status, error, .. }
        | Attempt::MessageRefused { http_status, error } => (http_status, Some(error)),
    };
    Outcome { http_status: http_status.map(u64::from), error }
}
