//! Rows of the history's tables, and the values that they hold.
