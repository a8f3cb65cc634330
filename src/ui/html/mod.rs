//! Pages as markup, from plain facts. Pure: no query, no clock, and all text is escaped by `maud`.

pub mod alerts;
pub mod channels;
pub mod chart;
#[cfg(test)]
mod contrast;
pub mod events;
pub mod field;
pub mod frame;
pub mod instances;
pub mod login;
pub mod maintenance;
pub mod maintenance_form;
pub mod overview;
pub mod paging;
pub mod parts;
pub mod phases;
pub mod rows;
pub mod service;
pub mod service_form;
pub mod service_history;
pub mod services;
pub mod strip;
pub mod text;
pub mod wall;
