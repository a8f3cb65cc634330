//! Configuration, services file, command line, metrics and documents.

mod command_line;
mod documents;
mod metrics;
mod reload;
mod services_file;
