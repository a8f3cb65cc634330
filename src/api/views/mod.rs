//! JSON bodies of successful responses; the OpenAPI document takes its schemas from them.

pub mod alerting;
pub mod audit;
pub mod envelope;
pub mod event;
pub mod instances;
pub mod maintenance;
pub mod overview;
pub mod phases;
pub mod probe;
pub mod series;
pub mod service;
pub mod storage;
pub mod ticks;
pub mod uptime;
