//! Walker's alias method: exact weights in one draw.
//!
//! A table of `n` slots, each with its own backend, an alias, and the share of the
//! slot that is its own. A draw takes a slot evenly and then one of its two, which
//! costs the same for any weights. Repeating backends in proportion to their
//! weights was refused: a weight of 1 beside one of 1000 needs a thousand slots.

/// One slot of a table over `0..n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AliasSlot {
    /// Which index the rest of the slot belongs to.
    pub(crate) alias: u32,
    /// Fractions up to this one, of 2³² equal ones, are the slot's own.
    pub(crate) threshold: u32,
}

/// The table for `weights`, one slot each, in the same order. Weights of 0 count as 1.
pub(crate) fn alias_table(weights: &[u32]) -> Vec<AliasSlot> {
    let count = weights.len() as u128;
    let total: u128 = weights
        .iter()
        .map(|&weight| u128::from(weight.max(1)))
        .sum();
    // Whole numbers throughout: a slot's capacity is `total`, a weight fills
    // `weight * count` of it, and both sides add up to the same sum.
    let mut left: Vec<u128> = weights
        .iter()
        .map(|&weight| u128::from(weight.max(1)) * count)
        .collect();
    let mut table: Vec<AliasSlot> = (0..weights.len())
        .map(|own| AliasSlot {
            alias: own as u32,
            threshold: u32::MAX,
        })
        .collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..weights.len()).partition(|&index| left[index] < total);
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        table[poor] = AliasSlot {
            alias: rich as u32,
            threshold: threshold(left[poor], total),
        };
        left[rich] -= total - left[poor];
        if left[rich] < total {
            large.pop();
            small.push(rich);
        }
    }
    table
}

/// The last of the 2³² fractions that lies inside `own / total`; `own` is below `total`.
fn threshold(own: u128, total: u128) -> u32 {
    let fractions = (own << 32) / total.max(1);
    u32::try_from(fractions.saturating_sub(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How often each index is drawn, of `n << 32` possible draws.
    fn shares(table: &[AliasSlot]) -> Vec<u64> {
        let mut shares = vec![0_u64; table.len()];
        for (own, slot) in table.iter().enumerate() {
            shares[own] += u64::from(slot.threshold) + 1;
            shares[slot.alias as usize] += u64::from(u32::MAX - slot.threshold);
        }
        shares
    }

    #[test]
    fn equal_weights_never_use_an_alias() {
        assert!(
            alias_table(&[5, 5, 5])
                .iter()
                .all(|slot| slot.threshold == u32::MAX)
        );
        assert!(alias_table(&[]).is_empty());
    }

    #[test]
    fn one_to_two_to_seven() {
        let shares = shares(&alias_table(&[1, 2, 7]));
        let of_all = |share: u64| share as f64 / (3.0 * 4_294_967_296.0);
        assert!((of_all(shares[0]) - 0.1).abs() < 1e-8, "{shares:?}");
        assert!((of_all(shares[1]) - 0.2).abs() < 1e-8, "{shares:?}");
        assert!((of_all(shares[2]) - 0.7).abs() < 1e-8, "{shares:?}");
    }

    proptest! {
        #[test]
        fn shares_are_the_weights(weights in prop::collection::vec(0_u32..=u32::MAX, 1..50)) {
            let total: f64 = weights.iter().map(|&weight| f64::from(weight.max(1))).sum();
            let table = alias_table(&weights);
            let draws = table.len() as f64 * 4_294_967_296.0;
            for (share, &weight) in shares(&table).iter().zip(&weights) {
                let wanted = f64::from(weight.max(1)) / total;
                // One fraction a slot is the finest step that a threshold can make.
                prop_assert!((*share as f64 / draws - wanted).abs() <= 1.0 / 4_294_967_296.0 + 1e-12);
            }
        }
    }
}
