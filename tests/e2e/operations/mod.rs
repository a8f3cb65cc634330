//! Configuration, services file, command line, metrics and documents.

mod check_file;
mod command_line;
mod configuration;
mod deploy;
mod documents;
mod gatus_files;
mod hanging_files;
mod labels;
mod metrics;
mod reload;
mod remote_write;
mod services_file;
mod stores;
