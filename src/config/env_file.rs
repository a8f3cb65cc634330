//! The `.env` file. All invalid lines are reported.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::bounded_file;
use crate::domain::invalid::Invalid;

/// Largest `.env` file, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The variables of a `.env` file, and its problems. No problem shows a value, which may be a
/// secret. A missing file is empty.
pub fn read(file: &Path) -> (HashMap<String, String>, Vec<String>) {
    let path = file.display();
    let text = match bounded_file::read_text(file, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => return (HashMap::new(), vec![format!("{path}: {error}")]),
    };
    let (mut variables, mut problems) = (HashMap::new(), Vec::new());
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok((name, value)) => drop(variables.insert(name, value)),
            Err(dotenvy::Error::LineParse(rest, _)) => {
                let number = text
                    .lines()
                    .position(|line| {
                        // The error contains the end of the line, from the invalid character on.
                        !line.trim_start().starts_with('#') && line.trim().ends_with(rest.trim())
                    })
                    .unwrap_or_default();
                let line = text.lines().nth(number).unwrap_or_default();
                let name = line.split_once('=').map_or("", |(name, _)| name.trim());
                let expected =
                    "NAME=value, with the value in single quotes when it contains spaces or $";
                let place = format!("{path}:{}: {name}", number + 1);
                problems.push(Invalid::hidden(expected).of(place));
            }
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    (variables, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_line_is_reported_without_its_value() {
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
