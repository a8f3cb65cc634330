//! The self-check: distinguishes a loss of the local network from failures of the targets.

pub mod canaries;
pub mod decision;
