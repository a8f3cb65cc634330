//! Keys of a services file that load and are not used.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Most notices that are listed; each key has one, however many entries use it.
const LISTED: usize = 100;

/// A key that is not used, or a mistake that Gatus ignores too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub file: Arc<Path>,
    /// Line of the first use, from 1.
    pub line: usize,
    /// The keys that lead to it, such as `endpoints: client: tunnel`.
    pub key: String,
    /// What follows from it, and what to do instead.
    pub advice: String,
    /// How many times the key is written.
    pub uses: usize,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, key, advice, uses } = self;
        write!(f, "{}:{line}: {key}: ", file.display())?;
        if *uses > 1 {
            write!(f, "({uses} times) ")?;
        }
        f.write_str(advice)
    }
}

/// All notices of the files, one for each key and advice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    list: Vec<Notice>,
    /// Positions in `list` of each key.
    by_key: HashMap<String, Vec<usize>>,
    /// Keys beyond [`LISTED`].
    left_out: usize,
}

impl Notices {
    /// Adds one use of `key`.
    pub fn add(&mut self, file: &Arc<Path>, line: usize, key: &str, advice: &str) {
        let known = self.by_key.get(key).into_iter().flatten().copied();
        let mut known = known.filter(|nth| self.list[*nth].advice == advice);
        if let Some(nth) = known.next() {
            self.list[nth].uses += 1;
            return;
        }
        if self.list.len() >= LISTED {
            self.left_out += 1;
            return;
        }
        self.by_key.entry(key.to_owned()).or_default().push(self.list.len());
        self.list.push(Notice {
            file: Arc::clone(file),
            line,
            key: key.to_owned(),
            advice: advice.to_owned(),
            uses: 1,
        });
    }

    /// One line for each notice in the order of files and lines; beyond 100, the number of uses
    /// that are left out.
    pub fn messages(&self) -> Vec<String> {
        let mut notices: Vec<&Notice> = self.list.iter().collect();
        notices.sort_by_key(|notice| (&notice.file, notice.line));
        let mut messages: Vec<String> = notices.into_iter().map(ToString::to_string).collect();
        if self.left_out > 0 {
            messages.push(format!("{} more keys that are not used", self.left_out));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_notice_with_the_line_of_its_first_use() {
        let file: Arc<Path> = Path::new("s.yaml").into();
        let mut notices = Notices::default();
        notices.add(&file, 3, "endpoints: alerts", "not used: no alerts");
        notices.add(&file, 9, "endpoints: alerts", "not used: no alerts");
        notices.add(&file, 12, "endpoints: alerts", "not used: another reason");
        notices.add(&file, 20, "storage", "not used: DB_FILE");
        assert_eq!(
            notices.messages(),
            [
                "s.yaml:3: endpoints: alerts: (2 times) not used: no alerts",
                "s.yaml:12: endpoints: alerts: not used: another reason",
                "s.yaml:20: storage: not used: DB_FILE",
            ]
        );
    }

    #[test]
    fn the_number_of_notices_is_bounded() {
        let file: Arc<Path> = Path::new("s.yaml").into();
        let mut notices = Notices::default();
        for nth in 0..150 {
            notices.add(&file, nth, &format!("key-{nth}"), "not used");
        }
        let messages = notices.messages();
        assert_eq!(messages.len(), LISTED + 1);
        assert_eq!(messages[LISTED], "50 more keys that are not used");
    }
}
