//! The text of a token: `shc_`, 30 random characters of base62, and a checksum of 6.

use std::fmt;

use ring::digest;

use crate::domain::invalid::Invalid;

pub const PREFIX: &str = "shc_";
const RANDOM_CHARS: usize = 30;
const CHECKSUM_CHARS: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS;
/// Characters of [`TokenText::shown`].
const SHOWN_CHARS: usize = 8;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes of randomness for a token. 30 characters need 178.6 bits; the bias of the rest is below
/// 2^-77.
pub const RANDOM_BYTES: usize = 32;

/// A well-formed token. `Debug` shows its first characters only.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// The token of these bytes, which must come from a secure source.
    pub fn from_random(random: [u8; RANDOM_BYTES]) -> Self {
        let mut text = PREFIX.to_owned();
        let mut number = random;
        text.extend((0..RANDOM_CHARS).map(|_| digit(divide_by_62(&mut number))));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// Error for another form and for a wrong checksum; the message does not show the text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let expected = || Invalid::hidden("a token, shc_ and 36 letters and digits");
        let is_form = text.len() == LENGTH
            && text
                .strip_prefix(PREFIX)
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !is_form {
            return Err(expected());
        }
        let (body, sum) = text.split_at(LENGTH - CHECKSUM_CHARS);
        if checksum(body) == sum {
            Ok(Self(text.to_owned()))
        } else {
            Err(expected().because("its checksum is wrong: a character differs"))
        }
    }

    /// The whole text, for the client that created the token.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first 8 characters, which lists and the log show.
    pub fn shown(&self) -> &str {
        &self.0[..SHOWN_CHARS]
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}***", self.shown())
    }
}

/// SHA-256 of a token, which the store holds instead of the token. A token has 178 random bits, so
/// a slow hash would protect it no better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(hash)
    }
}

/// The first four bytes of SHA-256 as six digits.
fn checksum(text: &str) -> String {
    let TokenHash([a, b, c, d, ..]) = TokenHash::of(text.as_bytes());
    let mut rest = u32::from_be_bytes([a, b, c, d]);
    let mut digits = [0; CHECKSUM_CHARS];
    for place in digits.iter_mut().rev() {
        *place = (rest % 62) as u8;
        rest /= 62;
    }
    digits.into_iter().map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from(DIGITS[usize::from(value % 62)])
}

/// Divides a big-endian number, and returns the remainder.
fn divide_by_62(number: &mut [u8; RANDOM_BYTES]) -> u8 {
    let mut remainder = 0_u16;
    for byte in number {
        let value = remainder << 8 | u16::from(*byte);
        *byte = (value / 62) as u8;
        remainder = value % 62;
    }
    remainder as u8
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_has_the_form_of_the_documentation() {
        let token = TokenText::from_random([7; RANDOM_BYTES]);
        let text = token.reveal();
        assert_eq!((text.len(), &text[..4], token.shown()), (40, "shc_", &text[..8]));
        // The checksum of these 34 characters by another implementation of SHA-256.
        use sha2::Digest;
        let hash = sha2::Sha256::digest(&text[..34]);
        let mut number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let mut digits = String::new();
        for _ in 0..6 {
            digits.insert(0, DIGITS[number as usize % 62] as char);
            number /= 62;
        }
        assert_eq!(&text[34..], digits);
        assert_eq!(token.hash().0, *sha2::Sha256::digest(text));
        assert!(!format!("{token:?}").contains(&text[8..]));
    }

    #[test]
    fn every_bit_of_the_randomness_counts_and_digits_are_even() {
        let mut random = [0; RANDOM_BYTES];
        let mut texts = HashSet::new();
        for bit in 0..8 * RANDOM_BYTES - 77 {
            random.fill(0);
            random[RANDOM_BYTES - 1 - bit / 8] = 1 << (bit % 8);
            assert!(texts.insert(TokenText::from_random(random).0), "bit {bit}");
        }
        let mut number = [0xff; RANDOM_BYTES];
        assert_eq!(divide_by_62(&mut number), 1, "2^256 - 1 mod 62");
    }

    proptest! {
        #[test]
        fn a_token_is_read_back_and_a_changed_character_is_found(
            random: [u8; RANDOM_BYTES], nth in 4_usize..40, other in 0_usize..62,
        ) {
            let token = TokenText::from_random(random);
            prop_assert_eq!(TokenText::parse(token.reveal()), Ok(token.clone()));
            let mut text = token.reveal().to_owned().into_bytes();
            let other = DIGITS[other];
            if text[nth] != other {
                text[nth] = other;
                let text = String::from_utf8(text).unwrap();
                prop_assert!(TokenText::parse(&text).is_err());
            }
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in "\\PC{0,60}") {
            let _ = TokenText::parse(&text);
        }
    }

    #[test]
    fn another_form_is_refused_without_showing_it() {
        let right = TokenText::from_random([1; RANDOM_BYTES]);
        let right = right.reveal();
        for text in [
            "",
            "shc_",
            &right[1..],
            &right[..39],
            &format!("{right}0"),
            &right.to_uppercase(),
            &right.replace("shc_", "shc-"),
            &format!("shc_{}", "ü".repeat(18)),
        ] {
            let message = TokenText::parse(text).unwrap_err().of("token");
            assert_eq!(
                message,
                "token: invalid value, expected a token, shc_ and 36 letters and digits"
            );
        }
    }
}
