//! `label_replace` and `label_join`.

use crate::promql::error::{EvalError, execution};
use crate::promql::labels::{METRIC_NAME, anchored, is_label_name};
use crate::promql::series::Series;
use crate::promql::tree::Expr;

use super::call::{argument, text};
use super::evaluator::Evaluator;
use super::merge::merge_same_labels;

type Outcome<T> = Result<T, EvalError>;

impl Evaluator<'_> {
    pub fn label_replace(&self, arguments: &[Expr]) -> Outcome<Vec<Series>> {
        let text_at = |index| argument(arguments, index).and_then(text);
        let (destination, replacement) = (text_at(1)?, text_at(2)?);
        let (source, pattern) = (text_at(3)?, text_at(4)?);
        let Ok(regex) = anchored(pattern) else {
            return execution(format!("invalid regular expression in label_replace(): {pattern}"));
        };
        check_label(destination, "destination", "label_replace")?;
        let mut series = self.vector(argument(arguments, 0)?)?;
        for one in &mut series {
            if let Some(captures) = regex.captures(one.labels.get(source)) {
                let mut value = String::new();
                captures.expand(replacement, &mut value);
                let labels = one.labels.with(destination, &value);
                one.labels = labels;
                one.drops_name &= destination != METRIC_NAME;
            }
        }
        merge_same_labels(series)
    }

    pub fn label_join(&self, arguments: &[Expr]) -> Outcome<Vec<Series>> {
        let text_at = |index| argument(arguments, index).and_then(text);
        let (destination, separator) = (text_at(1)?, text_at(2)?);
        let sources = arguments.iter().skip(3).map(text).collect::<Outcome<Vec<&str>>>()?;
        for source in &sources {
            check_label(source, "source", "label_join")?;
        }
        check_label(destination, "destination", "label_join")?;
        let mut series = self.vector(argument(arguments, 0)?)?;
        for one in &mut series {
            let values: Vec<&str> = sources.iter().map(|source| one.labels.get(source)).collect();
            let labels = one.labels.with(destination, &values.join(separator));
            one.labels = labels;
            one.drops_name &= destination != METRIC_NAME;
        }
        merge_same_labels(series)
    }
}

fn check_label(name: &str, role: &str, function: &str) -> Outcome<()> {
    if is_label_name(name) {
        return Ok(());
    }
    execution(format!("invalid {role} label name in {function}(): {name}"))
}
