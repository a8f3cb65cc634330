//! What commands print.

use std::fmt::Display;
use std::io::Write;

/// Writes a line to standard output. A closed standard output is not an error.
pub(super) fn print_line(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
