//! Pages in a real browser.

mod checks;
mod pages;
