//! `service-healthcheck alert render CHANNEL`: the request of a test message, which is not sent.

use std::fmt::Write;

use actix_rt::System;
use serde_json::{Map, Value};

use super::channels;
use crate::alerting::{Sender, ShownRequest};
use crate::cli::ChannelArgs;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::domain::maintenance::zone::Zone;
use crate::error::Error;

/// Prints the request for each recipient, with masked secrets.
pub(super) fn run(config: &Config, args: &ChannelArgs) -> Result<(), Error> {
    let (channel, zone) = match &args.file {
        Some(file) => channels::of_file(config, file, &args.channel)?,
        None => (channels::stored(config, &args.channel)?, Zone::utc()),
    };
    let rules = channels::rules(config, zone)?;
    let messages = channels::messages(config, &channel, args.state);
    let failed = |why: String| Error::Failed(format!("{}: {why}", channel.name));
    // The sender belongs to an arbiter.
    System::new().block_on(async {
        let sender = Sender::new(rules);
        for message in &messages {
            match sender.show(&channel, &Map::new(), message).map_err(failed)? {
                Some(request) => print_line(text(&request).trim_end()),
                None => print_line("no request: this kind sends nothing for this state"),
            }
        }
        Ok(())
    })
}

/// The request as HTTP shows it, with a body of JSON on several lines.
fn text(request: &ShownRequest) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    // Writing to a string cannot fail.
    for (name, value) in &request.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    if let Some(body) = &request.body {
        let pretty = serde_json::from_str::<Value>(body).ok();
        let pretty = pretty.and_then(|body| serde_json::to_string_pretty(&body).ok());
        let _ = writeln!(text, "\n{}", pretty.as_ref().unwrap_or(body));
    }
    for note in &request.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_printed_as_http_shows_it() {
        let request = ShownRequest {
            method: "POST".to_owned(),
            url: "https://h/***".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some("{\"a\":1}".to_owned()),
            notes: vec!["title: undefined value".to_owned()],
        };
        let expected = "POST https://h/***\ncontent-type: application/json\n\n{\n  \"a\": 1\n}\n\
                        note: title: undefined value\n";
        assert_eq!(text(&request), expected);
    }
}
