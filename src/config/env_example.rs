//! The text of `.env.example`.

use crate::config::variable::{Section, Variable};

const WIDTH: usize = 100;

const HEADER: &str = "\
# Configuration of service-healthcheck: copy this file to .env and uncomment the settings to change.
# The environment overrides this file; an empty value counts as not set.
";

/// Every variable with meaning, valid values and default.
pub fn env_example(sections: &[Section]) -> String {
    let mut text = HEADER.to_owned();
    for section in sections {
        text.push_str(&format!("\n## {}\n", section.title));
        for Variable { name, default, expected, about, .. } in section.variables {
            let (about, valid) = (comment(about), comment(&format!("valid: {expected}")));
            text.push_str(&format!("\n{about}{valid}#{name}={default}\n"));
        }
    }
    text
}

/// A comment, wrapped at [`WIDTH`].
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split(' ') {
        let length = lines.last().map_or(0, |line| line.len());
        if length + 1 + word.len() > WIDTH {
            lines.push("#".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SECTIONS;

    #[test]
    fn the_example_file_agrees_with_the_code() {
        let expected = env_example(&SECTIONS);
        assert!(include_str!("../../.env.example") == expected, "expected:\n{expected}");
    }
}
