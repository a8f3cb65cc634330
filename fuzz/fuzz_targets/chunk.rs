//! Decoding a damaged chunk returns an error and never panics; decoded ticks survive encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service_healthcheck::storage::history::codec::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let Ok(ticks) = decode(data) else { return };
    if let Ok(bytes) = encode(&ticks) {
        assert_eq!(decode(&bytes).as_ref(), Ok(&ticks));
    }
});
