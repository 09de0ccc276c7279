//! Namespaces and links that are not what they should be.

use std::process::Command;

use cni::Capabilities;

use crate::lab::{Container, Lab, network};

#[test]
fn a_namespace_deleted_under_us_is_left_with_nothing_leaked() {
    let lab = Lab::new("cni-deleted");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let (gone, stays) = (Container::new(), Container::new());
    let before = lab.left_behind();
    lab.joined(&config, &gone);
    let held = lab.joined(&config, &stays).to_string();
    let deleted = Command::new("ip")
        .args(["netns", "del", &gone.name])
        .status();
    assert!(deleted.unwrap().success());
    lab.check(&gone).unwrap_err();
    lab.leave(&gone).unwrap();
    assert_eq!(lab.leases("net"), [held]);
    lab.check(&stays).unwrap();
    lab.leave(&stays).unwrap();
    assert_eq!(lab.left_behind(), before);

    // Never there, or a plain file: refused by the plugin, and nothing is kept.
    let error = lab
        .add(&config, &gone, Capabilities::default())
        .unwrap_err();
    assert!(error.to_string().contains(&gone.name), "{error}");
    std::fs::write(gone.path(), "").unwrap();
    lab.add(&config, &gone, Capabilities::default())
        .unwrap_err();
    std::fs::remove_file(gone.path()).unwrap();
    assert!(lab.leases("net").is_empty());
    assert!(lab.runtime.records().containers().unwrap().is_empty());
}

#[test]
fn a_collection_frees_what_a_dead_container_held() {
    let lab = Lab::new("cni-collected");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let (dead, alive) = (Container::new(), Container::new());
    lab.joined(&config, &dead);
    let held = lab.joined(&config, &alive).to_string();
    drop(dead);
    let in_use = [(alive.name.clone(), "eth0".to_owned())];
    let undone = lab.run(async {
        let collection = lab.runtime.collection(&config).await.unwrap();
        collection.run(&in_use).await.unwrap()
    });
    assert_eq!(undone.len(), 1);
    assert_eq!(lab.leases("net"), [held]);
    lab.check(&alive).unwrap();
    lab.leave(&alive).unwrap();
}

#[test]
fn a_link_of_that_name_is_an_error_that_names_it_and_leaks_no_address() {
    let lab = Lab::new("cni-clash");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let container = Container::new();
    container.sh("ip link add eth0 type veth peer name far");
    let error = lab.add(&config, &container, Capabilities::default());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("eth0") && text.contains("exists"), "{text}");
    assert!(lab.leases("net").is_empty());
    assert!(lab.runtime.records().containers().unwrap().is_empty());
}

#[test]
fn many_at_once_get_addresses_of_their_own() {
    let lab = Lab::new("cni-many");
    let config = network("net", &[lab.bridge("br-a", "10.88.0.0/24")]);
    let containers: Vec<Container> = (0..10).map(|_| Container::new()).collect();
    let mut addresses: Vec<_> = std::thread::scope(|scope| {
        let joining: Vec<_> = containers
            .iter()
            .map(|container| scope.spawn(|| lab.joined(&config, container)))
            .collect();
        joining.into_iter().map(|one| one.join().unwrap()).collect()
    });
    addresses.sort();
    addresses.dedup();
    assert_eq!((addresses.len(), lab.leases("net").len()), (10, 10));
    std::thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| lab.leave(container).unwrap());
        }
    });
    assert!(lab.leases("net").is_empty());
    assert!(!lab.sh("ip -o link").contains("veth"));
}
