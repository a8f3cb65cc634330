//! Variable-length integers (LEB128): seven bits a byte, lowest first.

/// Appends `value` to `bytes`.
pub fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Removes a number from the front of `bytes`; `None` when it is cut off or exceeds 64 bits.
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Zigzag encoding: small numbers of either sign become small unsigned numbers.
pub fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// Inverse of [`zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn written_numbers_are_read_back(values in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut bytes = Vec::new();
            for &value in &values {
                write(&mut bytes, zigzag(value));
                write(&mut bytes, value.unsigned_abs() >> 40);
            }
            let mut rest = bytes.as_slice();
            for &value in &values {
                prop_assert_eq!(read(&mut rest).map(unzigzag), Some(value));
                prop_assert_eq!(read(&mut rest), Some(value.unsigned_abs() >> 40));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn invalid_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            while read(&mut rest).is_some() {}
        }
    }
}
