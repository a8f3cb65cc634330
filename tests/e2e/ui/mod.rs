//! Pages in a real browser.

mod checks;
