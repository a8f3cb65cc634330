//! Evaluates all conditions of a service.

use crate::domain::outcome::sanitize_detail;
use crate::domain::{Condition, ConditionResult, Facts, Failure, Reason};

/// The result of each condition, and one failure that explains all that are not fulfilled.
///
/// With `domain`, the expiry of the domain is not known, so the conditions on it cannot be
/// evaluated: then that is the failure, unless another condition is not fulfilled.
pub fn judge(
    conditions: &[Condition],
    facts: &Facts,
    domain: Option<&Failure>,
) -> (Vec<ConditionResult>, Option<Failure>) {
    let mut unmet = Vec::new();
    let results = conditions.iter().map(|condition| {
        if domain.is_some() && condition.needs_domain() {
            return ConditionResult { text: format!("{condition} (unknown)"), fulfilled: false };
        }
        let result = condition.judge(facts);
        let fulfilled = result.is_ok();
        let text = result.err().inspect(|text| unmet.push(text.clone()));
        let text = sanitize_detail(text.unwrap_or_else(|| condition.to_string()));
        ConditionResult { text, fulfilled }
    });
    let results = results.collect();
    let failure = (!unmet.is_empty()).then(|| Failure::new(Reason::Condition, unmet.join("; ")));
    (results, failure.or_else(|| domain.cloned()))
}
