//! Where the commands change tokens: the API of a running service, or the store.

use serde_json::{Value, json};

use crate::api::token_json;
use crate::cli::TokenArgs;
use crate::clock::unix_ms;
use crate::commands::client::Client;
use crate::commands::unused_store::{self, Opened};
use crate::config::Config;
use crate::domain::access::{GroupLimit, NewToken, TokenText};
use crate::domain::audit::AuditSource;
use crate::error::Error;
use crate::storage::Store;
use crate::storage::access::AccessChange;

/// The actor of tokens that a command creates in the store.
const ACTOR: &str = "command";

/// Tokens of one request.
const PAGE: u64 = 1_000;

pub(super) enum Place<'c> {
    /// With the sentence why, for errors.
    Api(Client<'c>, String),
    /// No service can use it meanwhile.
    Store(Store),
}

impl<'c> Place<'c> {
    pub fn open(config: &'c Config) -> Result<Self, Error> {
        match unused_store::open(&config.storage, "token")? {
            Opened::Unused(store) => Ok(Self::Store(store)),
            Opened::InUse(by) => Ok(Self::Api(Client::new(config), by)),
        }
    }

    /// Returns the text of the new token.
    pub fn create(
        &mut self,
        args: &TokenArgs,
        expires_at_ms: Option<i64>,
    ) -> Result<String, Error> {
        let TokenArgs { name, scope, group, .. } = args;
        let groups = (!group.is_empty()).then_some(group);
        match self {
            Self::Api(client, by) => {
                let scopes: Vec<&str> = scope.iter().map(|scope| scope.as_str()).collect();
                let expires_at = expires_at_ms.map(|ms| ms.div_euclid(1_000));
                let body = json!({
                    "name": name, "scopes": scopes, "groups": groups, "expires_at": expires_at,
                });
                let data = client.post("/v1/tokens", &body).map_err(|error| through(by, &error))?;
                let text = data["token"]["data"]["text"].as_str().unwrap_or_default();
                Ok(text.to_owned())
            }
            Self::Store(store) => {
                let text = TokenText::from_random(rand::random());
                let groups = groups.map_or(GroupLimit::NONE, |it| GroupLimit::to(it.clone()));
                let rights = (scope.iter().copied().collect(), groups);
                let by = (ACTOR, unix_ms());
                let token = NewToken::new(&text, name, rights, expires_at_ms, by)
                    .map_err(|problems| Error::Failed(problems.join("\n")))?;
                store.access().writer()?.change_access(
                    AccessChange::CreateToken(token),
                    &AuditSource::COMMAND,
                    by.1,
                )?;
                Ok(text.reveal().to_owned())
            }
        }
    }

    /// The tokens as the API shows them, by id.
    pub fn list(&mut self) -> Result<Vec<Value>, Error> {
        match self {
            Self::Api(client, by) => {
                let mut tokens = Vec::new();
                for page in 1.. {
                    let path = format!("/v1/tokens?limit={PAGE}&page={page}");
                    let mut data = client.get(&path).map_err(|error| through(by, &error))?;
                    if let Value::Array(page) = data["tokens"]["data"].take() {
                        tokens.extend(page);
                    }
                    let pages = data["tokens"]["pagination"]["pages"].as_u64();
                    if page >= pages.unwrap_or_default() {
                        break;
                    }
                }
                Ok(tokens)
            }
            Self::Store(store) => {
                let now_ms = unix_ms();
                Ok(store
                    .access()
                    .writer()?
                    .tokens()?
                    .iter()
                    .map(|token| token_json(token, now_ms))
                    .collect())
            }
        }
    }

    pub fn revoke(&mut self, id: i64) -> Result<(), Error> {
        match self {
            Self::Api(client, by) => {
                let revoked = client.delete(&format!("/v1/tokens/{id}"));
                revoked.map(drop).map_err(|error| through(by, &error))
            }
            Self::Store(store) => {
                let change = AccessChange::RevokeToken(id);
                store.access().writer()?.change_access(change, &AuditSource::COMMAND, unix_ms())?;
                Ok(())
            }
        }
    }
}

/// The error of a request to the service that has the store.
fn through(by: &str, error: &Error) -> Error {
    Error::Failed(format!(
        "{by}; so the command goes through the API of this configuration, with API_TOKEN: {error}"
    ))
}
