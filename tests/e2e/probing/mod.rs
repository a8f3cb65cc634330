//! Probes: what is sent, how answers are judged and timed, and which faults count.

mod blackbox_exporter;
mod clock_steps;
mod conditions;
mod confirmation;
mod dns;
mod failure_reasons;
mod floods;
mod grpc;
mod heartbeats;
mod http;
mod http2;
mod icmp;
mod local_faults;
mod memory_bounds;
mod name_resolution;
mod on_demand;
mod phases;
mod pool;
mod redefinition;
mod redirects;
mod self_check;
mod stalls;
mod starttls;
mod tcp;
mod tls;
mod websocket;
