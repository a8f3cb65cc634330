//! Which arguments of a plugin are secrets.

use crate::domain::secret::names::is_secret_parameter;
use crate::domain::service::template::{Template, Variables};

/// The texts that a plugin must not reveal: values of variables, and values of options with the
/// name of a secret (`--password VALUE`, `--password=VALUE`).
pub fn secrets(args: &[Template], variables: &Variables) -> Vec<String> {
    let mut secrets: Vec<String> = args
        .iter()
        .flat_map(Template::variables)
        .filter_map(|it| variables.get(it))
        .map(Into::into)
        .collect();
    let mut is_named = false;
    for arg in args.iter().filter_map(|arg| arg.fill(variables).ok()) {
        let option = arg.strip_prefix('-').map(|rest| rest.trim_start_matches('-'));
        let value = option.and_then(|option| option.split_once('='));
        if let Some((_, value)) = value.filter(|(name, _)| is_secret_parameter(name)) {
            secrets.push(value.to_owned());
        }
        let names_secret = value.is_none() && option.is_some_and(is_secret_parameter);
        if is_named && option.is_none() {
            secrets.push(arg);
        }
        is_named = names_secret;
    }
    secrets
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn variables_and_options_with_the_name_of_a_secret_are_secrets() {
        let args = [
            "-H",
            "db.example",
            "-p",
            "${PASS}",
            "--api-key=k3y",
            "--password",
            "pw",
            "--authorization",
            "--port=80",
            "-a",
            "ann:${PASS}",
        ];
        let args = args.map(|arg| Template::parse(arg).unwrap());
        let variables = HashMap::from([("PASS".to_owned(), "s3cret".to_owned())]);
        let found = secrets(&args, &Variables::new(variables));
        assert_eq!(found, ["s3cret", "s3cret", "k3y", "pw"]);
    }
}
