//! Answers that many ask for at once: each is made once, and holds until something is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use tokio::sync::OnceCell;

use super::error::ApiError;

/// Most answers that are kept; the others are made for each who asks.
const ANSWERS_LIMIT: usize = 16;

/// Answers of the current revision of the store. Bound: [`ANSWERS_LIMIT`], each of a thousand services at most.
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
            Some(place) => place.get_or_try_init(|| make).await.cloned(),
            None => make.await,
        }
    }

    fn place(&self, revision: u64, question: &str) -> Option<Arc<OnceCell<Bytes>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        assert_eq!(answers.0.lock().unwrap().by_question.len(), ANSWERS_LIMIT);
    }
}
