//! Addresses for names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{External, ExternalPort, ExternalState, NodeId, Protocol};
use store::Expect;
use vip::{VipRanges, VipRecord};

use crate::bench::{Bench, with_vip};

/// The address that a name gets when nobody else has it.
fn first_choice(name: &str) -> VipRecord {
    vip::claim(name, &VipRanges::default(), |_| false).unwrap()
}

#[tokio::test]
async fn a_name_gets_its_first_address_and_keeps_it() {
    let bench = Bench::new().await;
    bench.put_app(&with_vip("/shop", "/shop:80")).await;
    let state = bench.rest().await;
    let expected = first_choice("shop.marathon");
    assert_eq!(*state.vips["shop.marathon"].record, expected);
    bench
        .commit(|change| {
            let app = model::AppId::resolve("/shop").unwrap();
            change.delete_app(&app, Expect::Any);
        })
        .await;
    let state = bench.rest().await;
    assert_eq!(*state.vips["shop.marathon"].record, expected, "for good");
    bench.end().await;
}

/// A container that somebody else started, with these VIPs.
fn external(container: &str, vips: &[&str]) -> External {
    let keys = (0..).map(|index| format!("VIP_{index}"));
    let labels = keys.zip(vips.iter().map(|vip| (*vip).to_owned()));
    External {
        node: NodeId("n1".into()),
        container: container.into(),
        name: container.into(),
        kind: mesos::ContainerType::Docker,
        state: ExternalState::Starting,
        host_network: false,
        network_infos: Vec::new(),
        ports: vec![ExternalPort {
            protocol: Protocol::Tcp,
            container_port: Some(8080),
            host_port: None,
            network_names: Vec::new(),
            labels: labels.collect::<BTreeMap<_, _>>(),
        }],
        problems: Vec::new(),
    }
}

#[tokio::test]
async fn a_labelled_container_gets_a_name_of_its_own_for_good() {
    let bench = Bench::new().await;
    let web = external("c1", &["web:80"]);
    bench
        .commit(|change| {
            change.put_app(&with_vip("/web", "/web:80"), Expect::Absent);
            change.put_external(&web, Expect::Absent);
        })
        .await;
    let state = bench.rest().await;
    let names: Vec<_> = state.vips.keys().collect();
    assert_eq!(names, ["web.docker", "web.marathon"]);
    let claimed = VipRecord::clone(&state.vips["web.docker"]);
    assert_eq!(claimed, first_choice("web.docker"));
    assert_ne!(claimed.ipv4, state.vips["web.marathon"].ipv4);
    bench
        .commit(|change| {
            change.delete_external(&web.node, &web.container, Expect::Any);
        })
        .await;
    let state = bench.rest().await;
    assert_eq!(*state.vips["web.docker"].record, claimed, "for good");
    bench.end().await;
}

#[tokio::test]
async fn an_address_that_a_container_gives_is_given_to_no_name() {
    let bench = Bench::new().await;
    let first = first_choice("shop.docker").ipv4;
    let direct = format!("{first}:80");
    bench
        .commit(|change| {
            let both = external("c1", &[&direct, "shop:80"]);
            change.put_external(&both, Expect::Absent);
        })
        .await;
    let state = bench.rest().await;
    assert_eq!(state.vips.len(), 1);
    assert_ne!(state.vips["shop.docker"].ipv4, first);
    bench.end().await;
}

#[tokio::test]
async fn two_names_of_one_hash_get_two_addresses() {
    let bench = Bench::new().await;
    // The other name came first, and has what this one would have had.
    let other = VipRecord {
        name: "other.marathon".into(),
        ..first_choice("shop.marathon")
    };
    bench
        .commit(|change| {
            change.put_vip(&other, Expect::Absent);
        })
        .await;
    bench.put_app(&with_vip("/shop", "/shop:80")).await;
    let state = bench.rest().await;
    let shop = &state.vips["shop.marathon"];
    let next = u32::from(other.ipv4) + 1;
    assert_eq!(u32::from(shop.ipv4), next, "the next free one");
    assert_ne!(shop.ipv6, other.ipv6);
    bench.end().await;
}

#[tokio::test]
async fn an_address_that_a_label_gives_is_given_to_no_name() {
    let bench = Bench::new().await;
    let first = first_choice("shop.marathon").ipv4;
    let label = format!("{first}:80");
    bench
        .commit(|change| {
            change.put_app(&with_vip("/direct", &label), Expect::Absent);
            change.put_app(&with_vip("/shop", "/shop:80"), Expect::Absent);
        })
        .await;
    let state = bench.rest().await;
    assert_ne!(state.vips["shop.marathon"].ipv4, first);
    bench.end().await;
}

#[tokio::test]
async fn many_names_at_once_never_share_an_address() {
    let bench = Bench::new().await;
    bench
        .commit(|change| {
            for index in 0..200 {
                let label = format!("/name{index}:80");
                change.put_app(&with_vip(&format!("/a{index}"), &label), Expect::Absent);
            }
        })
        .await;
    let state = bench.rest().await;
    let addresses: BTreeSet<IpAddr> = state.vips.values().flat_map(|it| it.addresses()).collect();
    assert_eq!(state.vips.len(), 200);
    assert_eq!(addresses.len(), 400);
    bench.end().await;
}

#[tokio::test]
async fn an_address_in_strange_hands_keeps_nothing_else_waiting() {
    let bench = Bench::asleep().await;
    bench.add_node().await;
    let held = first_choice("shop.marathon").ipv4;
    bench
        .raw(&format!("vips/by-address/{held}"), "\"nobody\"")
        .await;
    let mut bench = bench;
    bench
        .commit(|change| {
            let mut shop = with_vip("/shop", "/shop:80");
            shop.instances = 1;
            change.put_app(&shop, Expect::Absent);
            change.put_app(&with_vip("/cart", "/cart:80"), Expect::Absent);
        })
        .await;
    bench.wake();
    let state = bench
        .until("a task and the other name", |state| {
            state.tasks.len() == 1 && state.vips.contains_key("cart.marathon")
        })
        .await;
    assert!(!state.vips.contains_key("shop.marathon"));
    bench.rest().await;
    let report = bench.report.lock().unwrap().clone();
    assert!(
        report.unclaimed[0].contains(&held.to_string()),
        "{:?}",
        report.unclaimed
    );
    bench.end().await;
}
