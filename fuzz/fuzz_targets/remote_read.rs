//! A request of remote read is refused or selects, whatever its bytes are: packed ones, or those of
//! the message within.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service_healthcheck::api::remote_read_windows as windows;

/// Bytes of one literal of snappy whose length is in its tag.
const LITERAL: usize = 60;

/// `message` in snappy's block format, as literals.
fn packed(message: &[u8]) -> Vec<u8> {
    let (mut packed, mut length) = (Vec::new(), message.len());
    while length >= 0x80 {
        packed.push(length as u8 | 0x80);
        length >>= 7;
    }
    packed.push(length as u8);
    for part in message.chunks(LITERAL) {
        packed.push((part.len() as u8 - 1) << 2);
        packed.extend_from_slice(part);
    }
    packed
}

fuzz_target!(|data: &[u8]| {
    for request in [data, &packed(data)] {
        let Ok(windows) = windows(request) else { continue };
        for matcher in windows.iter().flat_map(|window| &window.matchers) {
            // Must not panic, and take time in proportion to the text.
            let _ = ["", &matcher.name, &matcher.value].map(|text| matcher.matches(text));
        }
    }
});
