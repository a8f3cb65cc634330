//! Probes: what is sent, how answers are judged and timed, and which faults count.

mod blackbox_exporter;
mod conditions;
mod confirmation;
mod failure_reasons;
mod heartbeats;
mod hostile_targets;
mod http;
mod measurements;
mod mended_probes;
mod phases;
mod protocols;
mod request_options;
mod self_check;
