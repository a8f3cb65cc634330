//! Reading a `.env` file, with every wrong line told.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::domain::Invalid;

/// The variables of a `.env` file, and what is wrong with it. No problem shows a value: it may be a secret.
pub fn read(file: &Path) -> (HashMap<String, String>, Vec<String>) {
    let told = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => return (HashMap::new(), vec![format!("{told}: {error}")]),
    };
    let (mut variables, mut problems) = (HashMap::new(), Vec::new());
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok((name, value)) => drop(variables.insert(name, value)),
            Err(dotenvy::Error::LineParse(wrong, _)) => {
                let nth = text
                    .lines()
                    .position(|line| {
                        // The error has the end of the line, from where it could not go on.
                        !line.trim_start().starts_with('#') && line.trim().ends_with(wrong.trim())
                    })
                    .unwrap_or_default();
                let line = text.lines().nth(nth).unwrap_or_default();
                let name = line.split_once('=').map_or("", |(name, _)| name.trim());
                let expected =
                    "NAME=value, with the value in single quotes when it contains spaces or $";
                let place = format!("{told}:{}: {name}", nth + 1);
                problems.push(Invalid::hidden(expected).of(place));
            }
            Err(error) => problems.push(format!("{told}: {error}")),
        }
    }
    (variables, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_of_the_env_file_is_named_and_its_value_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(
            &file,
            "# a comment\nDB_FILE=a.db\nAPI_TOKEN=s3cr3t with space\nENV='a $b'\n",
        )
        .unwrap();
        let (variables, problems) = read(&file);
        assert_eq!(variables["DB_FILE"], "a.db");
        assert_eq!(variables["ENV"], "a $b");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains(".env:3: API_TOKEN: "), "{problems:?}");
        assert!(!problems[0].contains("s3cr3t"), "{problems:?}");
    }
}
