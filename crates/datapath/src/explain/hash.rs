//! The numbers of `bpf/hash.h`, bit by bit.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a client's numbers begin with, from its namespace's cookie and the host's seed.
pub(super) fn seed(netns: u64, host: u64) -> u64 {
    netns.wrapping_mul(FACTOR) ^ host
}

fn mix(mut word: u64) -> u64 {
    word ^= word >> 32;
    word = word.wrapping_mul(FACTOR);
    word ^= word >> 29;
    word = word.wrapping_mul(FACTOR);
    word ^ word >> 32
}

/// log2 in units of 2^-31.
fn log2(number: u32) -> u64 {
    let mut whole = 0_u64;
    for step in [16, 8, 4, 2, 1] {
        if number >> step >> whole != 0 {
            whole += step;
        }
    }
    let fraction = ((u64::from(number) << 31) >> whole) & 0x7fff_ffff;
    let coarse = fraction >> 15;
    let factor = 29_013 - ((16_200 * coarse) >> 16) + ((5_453 * ((coarse * coarse) >> 16)) >> 16);
    let bow = (fraction * ((1 << 31) - fraction)) >> 31;
    (whole << 31) + fraction + ((bow * factor) >> 16)
}

/// What a backend draws for a client; the least, divided by weights, wins.
pub(super) fn score(word: u64) -> u64 {
    let number = (mix(word) >> 32) as u32;
    (32 << 31) - log2(number | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_nearly_right() {
        for number in (0..32)
            .map(|bit| 1_u32 << bit)
            .chain([3, 1_000, 0xdead_beef, u32::MAX])
        {
            let right = f64::from(number).log2();
            let found = log2(number) as f64 / 2_147_483_648.0;
            assert!(
                (found - right).abs() < 0.000_5,
                "log2({number}) = {found}, not {right}"
            );
        }
    }

    #[test]
    fn the_least_for_its_weight_wins_by_weight() {
        let weights = [1_u64, 2, 7];
        let mut won = [0_u32; 3];
        for client in 0..20_000 {
            let seed = seed(client, 42);
            let scored =
                |place: &usize| score(seed ^ (*place as u64 + 1).wrapping_mul(0x1234_5678_9abc));
            let winner = (0..3)
                .min_by(|a, b| (scored(a) * weights[*b]).cmp(&(scored(b) * weights[*a])))
                .unwrap();
            won[winner] += 1;
        }
        for (won, weight) in won.iter().zip(weights) {
            let share = f64::from(*won) / 20_000.0;
            assert!(
                (share - weight as f64 / 10.0).abs() < 0.02,
                "{won:?} of {weights:?}"
            );
        }
    }
}
