//! The dashboard: HTML pages, and the files that they need.
//!
//! A handler in [`pages`] sends the same messages as the API, and [`html`] makes a page of the
//! answers. The pages are no part of the OpenAPI document.

pub mod assets;
pub mod html;
pub mod pages;
