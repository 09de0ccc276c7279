//! The hashes that choose a named VIP's first candidate address.
//!
//! They are DC/OS's own, so that a service keeps the address it had there.

use sha1::{Digest, Sha1};

/// Bob Jenkins' golden ratio, an arbitrary start value of his hash.
const GOLDEN: u32 = 0x9e37_79b9;

/// Erlang's `phash2` of a binary over the whole range of 32 bits.
///
/// It is Jenkins' lookup2 on little-endian blocks of 12 bytes. The start value 13 is
/// Erlang's constant for binaries.
pub(crate) fn phash2(binary: &[u8]) -> u32 {
    let start = GOLDEN.wrapping_mul(13);
    if binary.is_empty() {
        return start;
    }
    let mut state = [GOLDEN, GOLDEN, start];
    let mut blocks = binary.chunks_exact(12);
    for block in &mut blocks {
        absorb(&mut state, block, 0);
        mix(&mut state);
    }
    absorb(&mut state, blocks.remainder(), 1);
    // The hash knows lengths below 2^32 only; names are at most 253 bytes long.
    #[allow(clippy::cast_possible_truncation)]
    let length = binary.len() as u32;
    state[2] = state[2].wrapping_add(length);
    mix(&mut state);
    state[2]
}

/// Adds up to 12 bytes. In the last block the lowest byte of `c` is left for the
/// length, so bytes 8 to 10 go one byte higher there.
fn absorb(state: &mut [u32; 3], bytes: &[u8], shift_of_c: usize) {
    for (index, byte) in bytes.iter().enumerate() {
        let (word, place) = match index {
            0..4 => (0, index),
            4..8 => (1, index - 4),
            _ => (2, index - 8 + shift_of_c),
        };
        state[word] = state[word].wrapping_add(u32::from(*byte) << (8 * place));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    for [first, second, third] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> first);
        *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << second);
        *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> third);
    }
}

/// The SHA-1 digest of `text`, read as one big-endian number, modulo `modulus`.
///
/// A modulus of 0 stands for 2^128.
pub(crate) fn sha1_modulo(text: &str, modulus: u128) -> u128 {
    let digest: [u8; 20] = Sha1::digest(text.as_bytes()).into();
    let bits = digest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(0, |rest: u128, bit| {
        let (doubled, carry) = rest.overflowing_mul(2);
        // `rest` is below the modulus, so subtracting it once is enough.
        let sum = doubled | u128::from(bit);
        if modulus != 0 && (carry || sum >= modulus) {
            sum.wrapping_sub(modulus)
        } else {
            sum
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checked against addresses that DC/OS's tests assert.
    #[test]
    fn phash2_of_names() {
        for (name, expected) in [
            ("foo.bar", 1_166_686_807),
            ("baz.qux", 2_489_270_397),
            ("foo.marathon", 3_561_024_917),
            ("foo1.marathon", 2_209_242_786),
            ("foo2.marathon", 3_214_511_494),
            ("foo3.marathon", 176_746_088),
            ("foo4.marathon", 1_729_188_388),
            ("de8b9dc86.marathon", 1_932_802_930),
            ("", 13_u32.wrapping_mul(0x9e37_79b9)),
        ] {
            assert_eq!(phash2(name.as_bytes()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn sha1_modulo_is_below_its_modulus(text in ".{0,40}", modulus in 1u128..) {
            prop_assert!(sha1_modulo(&text, modulus) < modulus);
        }

        #[test]
        fn sha1_modulo_agrees_with_the_low_bits(text in ".{0,40}", bits in 0u32..128) {
            let low = sha1_modulo(&text, 0);
            prop_assert_eq!(sha1_modulo(&text, 1 << bits), low & ((1 << bits) - 1));
        }

        #[test]
        fn phash2_takes_any_bytes(bytes: Vec<u8>) {
            let _ = phash2(&bytes);
        }
    }
}
