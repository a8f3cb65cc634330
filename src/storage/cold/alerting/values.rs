//! Values within rows.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::Origin;
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// The error about a value that another program wrote.
pub fn unreadable(table: &str, id: i64, column: &str, why: impl Display) -> StorageError {
    StorageError::Unreadable(format!("{table}, id {id}, {column}: {why}"))
}

/// A row of a table, for the errors about its values.
pub struct Source(pub &'static str, pub i64);

impl Source {
    /// The value of a word.
    pub fn word<T>(
        &self,
        column: &str,
        word: &str,
        from_word: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        from_word(word).ok_or_else(|| unreadable(self.0, self.1, column, word))
    }

    /// The value of a text in JSON.
    pub fn json<T: DeserializeOwned>(&self, column: &str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|error| unreadable(self.0, self.1, column, error))
    }

    pub fn number<T: TryFrom<i64>>(&self, column: &str, number: i64) -> Result<T> {
        T::try_from(number).map_err(|_| unreadable(self.0, self.1, column, number))
    }
}

/// As JSON, of a value of texts, numbers, lists and maps with texts as keys, which cannot fail.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A text that every store can hold: PostgreSQL has no NUL.
pub fn plain(text: &str) -> String {
    text.replace('\0', "")
}

pub fn plain_of(text: Option<&String>) -> Option<String> {
    text.map(|text| plain(text))
}

pub fn origin(word: &str) -> Origin {
    if word == Origin::File.as_str() { Origin::File } else { Origin::Api }
}
