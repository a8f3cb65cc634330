//! The two text formats of `/metrics`.

use std::fmt;

/// A text format for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format, version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A writer that converts OpenMetrics to the plain format, in which HELP and TYPE of a counter
/// include the suffix `_total` of its samples. It converts line by line, since a second copy of the
/// whole text would double the memory of a scrape.
#[derive(Debug)]
pub(super) struct PlainText {
    text: String,
    /// The line that is not finished.
    line: String,
    /// The HELP line before a TYPE line.
    help: String,
}

impl PlainText {
    /// A writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let (line, help) = (String::new(), String::new());
        Self { text: String::with_capacity(capacity), line, help }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    fn end_line(&mut self) {
        if self.line.starts_with("# HELP ") {
            self.text.push_str(&self.help);
            self.help.clear();
            std::mem::swap(&mut self.help, &mut self.line);
            return;
        }
        let is_counter = self.line.starts_with("# TYPE ") && self.line.ends_with(" counter\n");
        for line in [&mut self.help, &mut self.line] {
            // `# HELP name …` and `# TYPE name …`.
            match line[..].split_once(' ').and_then(|(_, rest)| rest.split_once(' ')) {
                Some((_, rest)) if is_counter => {
                    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                    self.text.push_str(&line[..7]);
                    self.text.push_str(name);
                    self.text.push_str("_total ");
                    self.text.push_str(rest);
                }
                _ => self.text.push_str(line),
            }
            line.clear();
        }
    }
}

impl fmt::Write for PlainText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive('\n') {
            self.line.push_str(part);
            if part.ends_with('\n') {
                self.end_line();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn only_help_and_type_of_counters_change() {
        let mut plain = PlainText::with_capacity(0);
        for part in [
            "# HELP a The a.\n# TY",
            "PE a counter\n",
            "a_total 1\n# HELP b The b\n",
            "# TYPE b gauge\nb 2\n# TYPE c counter\n",
            "c_total{d=\"# HELP\"} 3\n",
        ] {
            plain.write_str(part).unwrap();
        }
        let expected = "# HELP a_total The a.\n# TYPE a_total counter\na_total 1\n# HELP b The b\n\
                        # TYPE b gauge\nb 2\n# TYPE c_total counter\nc_total{d=\"# HELP\"} 3\n";
        assert_eq!(plain.into_text(), expected);
    }
}
