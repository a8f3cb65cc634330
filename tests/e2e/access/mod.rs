//! Access: tokens, scopes, groups, sessions, and what each route requires.

mod client;
mod commands;
mod groups;
mod plans;
mod reads;
mod routes;
mod sessions;
mod streams;
mod tokens;

use client::Client;

/// `API_TOKEN` of the tests.
const API_TOKEN: &str = "token-of-the-api";
