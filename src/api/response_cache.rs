//! Answers that many ask for at once: each is made once, and holds until something is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use tokio::sync::OnceCell;

use crate::api::error::ApiError;

/// Most answers that are kept; the others are made for each who asks.
const ANSWERS_LIMIT: usize = 16;

/// Largest answer that is kept, in bytes.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// Answers of the newest revision of the store that was asked for. Bound: [`ANSWERS_LIMIT`] of [`ANSWER_LIMIT_BYTES`] each.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    revision: u64,
    by_question: HashMap<String, Arc<OnceCell<Bytes>>>,
}

impl Answers {
    /// The answer to `question` at `revision`, which was read before it was asked: the one that is kept, or the one that `make`
    /// makes while the others who ask the same wait for it.
    pub async fn get(
        &self,
        revision: u64,
        question: &str,
        make: impl Future<Output = Result<Bytes, ApiError>>,
    ) -> Result<Bytes, ApiError> {
        match self.place(revision, question) {
            None => make.await,
            Some(place) => {
                let answer = place.get_or_try_init(|| make).await?.clone();
                if answer.len() > ANSWER_LIMIT_BYTES {
                    self.kept().by_question.remove(question);
                }
                Ok(answer)
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, revision: u64, question: &str) -> Option<Arc<OnceCell<Bytes>>> {
        let mut kept = self.kept();
        if kept.revision < revision {
            *kept = Kept { revision, by_question: HashMap::new() };
        }
        // Who was overtaken by a write makes its own.
        if kept.revision > revision {
            return None;
        }
        if let Some(place) = kept.by_question.get(question) {
            return Some(Arc::clone(place));
        }
        let has_room = kept.by_question.len() < ANSWERS_LIMIT;
        has_room.then(|| Arc::clone(kept.by_question.entry(question.to_owned()).or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[actix_web::test]
    async fn an_answer_is_made_once_a_revision() {
        let (answers, made) = (Answers::default(), Cell::new(0));
        let ask = async |revision, question: &str| {
            let make = async {
                made.set(made.get() + 1);
                tokio::task::yield_now().await;
                Ok(Bytes::from(made.get().to_string()))
            };
            answers.get(revision, question, make).await.unwrap()
        };
        let (one, other) = tokio::join!(ask(1, "a"), ask(1, "a"));
        assert_eq!((&*one, &*other), (&b"1"[..], &b"1"[..]), "one made it for both");
        assert_eq!(&*ask(1, "b").await, b"2");
        assert_eq!(&*ask(2, "a").await, b"3", "something was written");
        assert_eq!(&*ask(1, "a").await, b"4", "asked before it was written");
        assert_eq!(&*ask(2, "a").await, b"3");
    }

    #[actix_web::test]
    async fn no_more_is_kept_than_the_limit() {
        let answers = Answers::default();
        for nth in 0..2 * ANSWERS_LIMIT {
            let make = async { Ok(Bytes::from("x")) };
            answers.get(1, &nth.to_string(), make).await.unwrap();
        }
        assert_eq!(answers.kept().by_question.len(), ANSWERS_LIMIT);
        let large = async { Ok(Bytes::from(vec![0; ANSWER_LIMIT_BYTES + 1])) };
        assert!(answers.get(1, "0", large).await.is_ok());
        let large = async { Ok(Bytes::from(vec![0; ANSWER_LIMIT_BYTES + 1])) };
        assert!(answers.get(2, "large", large).await.is_ok());
        assert!(answers.kept().by_question.is_empty());
    }
}
