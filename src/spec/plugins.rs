//! Whether a definition may run a plugin.

use crate::domain::invalid::Invalid;
use crate::domain::secret::url::Requests;
use crate::domain::service::definition::Definition;
use crate::domain::service::target::Kind;
use crate::spec::field::URL;
use crate::spec::problem::Problem;

/// Refuses an external check where `PLUGINS_DIR` is not set.
pub fn check_plugins(definition: &Definition, has_plugins: bool) -> Result<(), Problem> {
    if has_plugins || definition.target.kind() != Kind::Exec {
        return Ok(());
    }
    let expected = "another target: exec targets need the setting PLUGINS_DIR";
    let url = definition.target.shown(Requests::Masked);
    Err(Problem { path: URL.api.to_owned(), rejection: Invalid::quoted(url, expected).into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Target, sample};

    #[test]
    fn an_external_check_needs_a_folder_of_plugins() {
        let target = Target::parse("exec://check_http").unwrap();
        let check = Definition { target, ..sample::definition("a") };
        assert_eq!(check_plugins(&check, true), Ok(()));
        assert_eq!(
            check_plugins(&check, false).unwrap_err().to_string(),
            "url: invalid value \"exec://check_http\", expected another target: exec targets need \
             the setting PLUGINS_DIR"
        );
        assert_eq!(check_plugins(&sample::definition("a"), false), Ok(()));
    }
}
