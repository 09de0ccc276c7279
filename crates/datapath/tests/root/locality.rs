//! Backends that are preferred here (item F7).

use std::collections::BTreeSet;

use model::Protocol::{Tcp, Udp};
use vip::Backend;

use crate::lab::{Client, Lab, assert_refused, draining, table, vip};
use crate::stacks::{STACKS, Stack};

fn elsewhere(backend: Backend) -> Backend {
    Backend {
        preferred: false,
        ..backend
    }
}

fn assert_met(
    lab: &mut Lab,
    client: &mut Client,
    stack: Stack,
    set: &[Backend],
    expected: &[&str],
) {
    lab.apply(&table(&[(stack.key(80), Udp, set)]));
    let met = stack.met(client, Udp, 80, 40);
    let expected: BTreeSet<_> = expected.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(met, expected, "{stack:?}");
}

#[test]
fn f7_preferred_backends_first_then_the_others_then_draining_ones() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    for stack in STACKS {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| stack.backend(Udp, name));
        let (c, d) = (elsewhere(c), elsewhere(d));
        let mut met = |set: &[&Backend], expected: &[&str]| {
            let set: Vec<_> = set.iter().copied().cloned().collect();
            assert_met(&mut lab, &mut client, stack, &set, expected);
        };
        // Inside of the preferred ones it is spread, and so it is among all if none is.
        met(&[&a, &b, &c, &d], &["a", "b"]);
        met(&[&a, &c, &d], &["a"]);
        met(&[&c, &d], &["c", "d"]);
        // A draining one that is preferred comes after those elsewhere.
        let leaving = draining(a.clone());
        met(&[&leaving, &c, &d], &["c", "d"]);
        met(&[&leaving, &b, &c], &["b"]);
        let far_leaving = draining(c.clone());
        met(&[&leaving, &far_leaving], &["a", "c"]);
        met(&[&far_leaving, &d], &["d"]);
    }
}

#[test]
fn f7_a_preferred_backend_that_fails_is_replaced_by_one_elsewhere() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let here = crate::lab::far("here", crate::servers::deaf_port());
    let there = elsewhere(Stack::Four.backend(Tcp, "there"));
    lab.apply(&table(&[(vip(80), Tcp, &[here, there])]));
    for _ in 0..3 {
        assert_refused(client.dial(Tcp, vip(80)));
    }
    let met = Stack::Four.met(&mut client, Tcp, 80, 20);
    assert_eq!(met, BTreeSet::from(["there".to_owned()]));
}
