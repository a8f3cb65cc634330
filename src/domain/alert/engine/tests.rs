//! Placeholder until the scenarios below are written.
