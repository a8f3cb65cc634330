//! Start, supervision and shutdown.

mod shutdown;
mod supervision;
