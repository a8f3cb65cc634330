//! Evaluates all conditions of a service.

use crate::domain::outcome::sanitize_detail;
use crate::domain::{Condition, ConditionResult, Facts, Failure, Reason};

/// The result of each condition, and one failure that explains all that are not fulfilled.
pub fn judge(conditions: &[Condition], facts: &Facts) -> (Vec<ConditionResult>, Option<Failure>) {
    let mut unmet = Vec::new();
    let results = conditions.iter().map(|condition| {
        let result = condition.judge(facts);
        let fulfilled = result.is_ok();
        let text = result.err().inspect(|text| unmet.push(text.clone()));
        let text = sanitize_detail(text.unwrap_or_else(|| condition.to_string()));
        ConditionResult { text, fulfilled }
    });
    let results = results.collect();
    let failure = (!unmet.is_empty()).then(|| Failure::new(Reason::Condition, unmet.join("; ")));
    (results, failure)
}
