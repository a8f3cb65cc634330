//! Evaluates all conditions of a service, beside its expectations.

use crate::domain::outcome::sanitize_detail;
use crate::domain::service::expectations::{Check, Unmet};
use crate::domain::{Condition, ConditionResult, Facts, Failure, Reason};

/// The result of each expectation and each condition, and one failure that explains all that are
/// not fulfilled; a status that is not accepted is the failure by itself.
///
/// With `domain`, the expiry of the domain is not known, so the conditions on it cannot be
/// evaluated: then that is the failure, unless another condition is not fulfilled.
pub fn judge(
    conditions: &[Condition],
    checks: Vec<Check>,
    facts: &Facts,
    domain: Option<&Failure>,
) -> (Vec<ConditionResult>, Option<Failure>) {
    let status = checks.iter().find(|check| check.unmet == Some(Unmet::Status));
    let status = status.map(|check| Failure::new(Reason::Status, check.text.clone()));
    let failed = checks.iter().filter(|check| check.unmet.is_some());
    let mut unmet: Vec<String> = failed.map(|check| check.text.clone()).collect();
    let checks = checks.into_iter().map(|check| ConditionResult {
        fulfilled: check.unmet.is_none(),
        text: sanitize_detail(check.text),
    });
    let conditions = conditions.iter().map(|condition| {
        if domain.is_some() && condition.needs_domain() {
            return ConditionResult { text: format!("{condition} (unknown)"), fulfilled: false };
        }
        let result = condition.judge(facts);
        let fulfilled = result.is_ok();
        let text = result.err().inspect(|text| unmet.push(text.clone()));
        let text = sanitize_detail(text.unwrap_or_else(|| condition.to_string()));
        ConditionResult { text, fulfilled }
    });
    let results = checks.chain(conditions).collect();
    let failure = (!unmet.is_empty()).then(|| Failure::new(Reason::Condition, unmet.join("; ")));
    (results, status.or(failure).or_else(|| domain.cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_expiry_of_the_domain_is_the_failure_unless_another_condition_fails() {
        let parse = |text: &&str| Condition::parse(text).unwrap();
        let judged = |conditions: &[&str], unknown: Option<&Failure>| {
            let conditions: Vec<Condition> = conditions.iter().map(parse).collect();
            let facts = Facts { status: Some(200), ..Facts::default() };
            let (results, failure) = judge(&conditions, Vec::new(), &facts, unknown);
            let fulfilled: Vec<bool> = results.iter().map(|result| result.fulfilled).collect();
            (fulfilled, failure.map(|failure| failure.reason))
        };
        let unknown = Failure::new(Reason::LocalRegistry, "no answer");
        let domain = "[DOMAIN_EXPIRATION] > 720h";
        assert_eq!(
            judged(&["[STATUS] == 200", domain], Some(&unknown)),
            (vec![true, false], Some(Reason::LocalRegistry))
        );
        assert_eq!(
            judged(&[domain, "[STATUS] == 503"], Some(&unknown)),
            (vec![false, false], Some(Reason::Condition))
        );
        let on_the_right = "720h < [DOMAIN_EXPIRATION]";
        assert_eq!(judged(&[on_the_right], Some(&unknown)).1, Some(Reason::LocalRegistry));
        // A domain that does not exist has the value 0.
        assert_eq!(judged(&[domain], None), (vec![false], Some(Reason::Condition)));
        assert_eq!(judged(&["has([DOMAIN_EXPIRATION]) == false"], None), (vec![true], None));
    }
}
