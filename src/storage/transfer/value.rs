//! Values of columns: as every store can hold them, and as part of a checksum.

use std::hash::Hasher;

/// The value of a column.
pub trait Value: Sized {
    /// The value that every store can hold: PostgreSQL has no NUL in texts.
    fn plain(self) -> Self {
        self
    }

    /// Adds it to a checksum. No two rows that differ are the same sequence of bytes.
    fn digest(&self, sum: &mut impl Hasher);
}

impl Value for i64 {
    fn digest(&self, sum: &mut impl Hasher) {
        sum.write_i64(*self);
    }
}

impl Value for i32 {
    fn digest(&self, sum: &mut impl Hasher) {
        sum.write_i32(*self);
    }
}

impl Value for i16 {
    fn digest(&self, sum: &mut impl Hasher) {
        sum.write_i16(*self);
    }
}

impl Value for bool {
    fn digest(&self, sum: &mut impl Hasher) {
        sum.write_u8((*self).into());
    }
}

impl Value for f64 {
    fn digest(&self, sum: &mut impl Hasher) {
        sum.write_u64(self.to_bits());
    }
}

impl Value for String {
    fn plain(self) -> Self {
        if self.contains('\0') { self.replace('\0', "") } else { self }
    }

    fn digest(&self, sum: &mut impl Hasher) {
        digest_bytes(self.as_bytes(), sum);
    }
}

impl Value for Vec<u8> {
    fn digest(&self, sum: &mut impl Hasher) {
        digest_bytes(self, sum);
    }
}

impl<T: Value> Value for Option<T> {
    fn plain(self) -> Self {
        self.map(T::plain)
    }

    fn digest(&self, sum: &mut impl Hasher) {
        self.is_some().digest(sum);
        if let Some(value) = self {
            value.digest(sum);
        }
    }
}

/// Adds the length, too: the bytes of two neighbours cannot be mistaken for each other.
pub fn digest_bytes(bytes: &[u8], sum: &mut impl Hasher) {
    sum.write_usize(bytes.len());
    sum.write(bytes);
}
