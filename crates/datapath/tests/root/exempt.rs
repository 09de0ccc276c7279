//! Cgroups that are left alone. K1, B15.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use datapath::{cgroup_id, cgroup_path, find_cgroup2};
use model::Protocol::{Tcp, Udp};

use crate::lab::{Client, Lab, eventually, far, table, vip};

/// A client in a namespace of its own, in a cgroup below the lab's, with a backend of
/// its own; nothing leads to the VIP there.
fn client_below(lab: &Lab, names: &[&str]) -> (Client, PathBuf) {
    let mut directory = lab.options.cgroup.clone();
    for name in names {
        directory.push(name);
        if !directory.exists() {
            fs::create_dir(&directory).unwrap();
        }
    }
    let mut client = lab.client();
    client.leave_host();
    let pid = client.pid();
    fs::write(directory.join("cgroup.procs"), pid.to_string()).unwrap();
    client.serve("127.0.0.1:7000", "a");
    (client, directory)
}

fn remove(directories: &[PathBuf]) {
    for directory in directories {
        eventually("the cgroup is empty", || fs::remove_dir(directory).is_ok());
    }
}

fn is_translated(client: &mut Client) -> bool {
    match client.who(vip(80)) {
        Ok(name) => name == "a",
        Err(refused) if refused.errno == libc::ENETUNREACH => false,
        Err(refused) => panic!("{refused:?}"),
    }
}

#[test]
fn an_exempt_cgroup_and_all_below_see_the_network_as_it_is() {
    let mut lab = Lab::new();
    let (mut above, top) = client_below(&lab, &["pod"]);
    let (mut below, inner) = client_below(&lab, &["pod", "inner"]);
    let (mut beside, other) = client_below(&lab, &["other"]);
    let backend = [far("a", "127.0.0.1:7000".parse().unwrap())];
    lab.apply(&table(&[
        (vip(80), Tcp, &backend),
        (vip(53), Udp, &backend),
    ]));
    assert!(is_translated(&mut above) && is_translated(&mut below));

    let exempt = BTreeSet::from([cgroup_id(&top).unwrap()]);
    for _ in 0..2 {
        lab.datapath().set_exempt(&exempt).unwrap();
        assert_eq!(lab.datapath().exempt(), exempt);
        assert!(!is_translated(&mut above) && !is_translated(&mut below));
        assert!(is_translated(&mut beside));
    }
    let socket = below.open(Udp);
    let sent = below.send_to(socket, vip(53), "q").unwrap_err();
    assert_eq!(sent.errno, libc::ENETUNREACH);
    // Ports that no service has are not refused either: nothing is touched.
    assert_eq!(below.who(vip(81)).unwrap_err().errno, libc::ENETUNREACH);

    // It outlives the daemon, and ends when it is told to.
    lab.open();
    assert_eq!(lab.datapath().exempt(), exempt);
    assert!(!is_translated(&mut above) && is_translated(&mut beside));
    let exempt = BTreeSet::from([cgroup_id(&inner).unwrap()]);
    lab.datapath().set_exempt(&exempt).unwrap();
    assert!(is_translated(&mut above) && !is_translated(&mut below));
    lab.datapath().set_exempt(&BTreeSet::new()).unwrap();
    assert!(is_translated(&mut above) && is_translated(&mut below));
    drop((above, below, beside));
    remove(&[inner, top, other]);
}

#[test]
fn more_than_fit_are_told_and_the_others_exempt() {
    let mut lab = Lab::new();
    let (mut client, directory) = client_below(&lab, &["pod"]);
    let backend = [far("a", "127.0.0.1:7000".parse().unwrap())];
    lab.apply(&table(&[(vip(80), Tcp, &backend)]));
    let mut many: BTreeSet<u64> = (1 << 40..(1 << 40) + 20).collect();
    many.insert(cgroup_id(&directory).unwrap());
    let error = lab.datapath().set_exempt(&many).unwrap_err();
    assert!(error.to_string().contains("'exempt'"), "{error}");
    assert!(!is_translated(&mut client));
    let few = BTreeSet::from([1 << 50]);
    lab.datapath().set_exempt(&few).unwrap();
    assert!(is_translated(&mut client));
    drop(client);
    remove(&[directory]);
}

#[test]
fn cgroups_are_found_by_id_while_they_exist() {
    let lab = Lab::new();
    let mount = find_cgroup2().unwrap();
    let id = cgroup_id(&lab.options.cgroup).unwrap();
    assert_eq!(cgroup_path(&mount, id), Some(lab.options.cgroup.clone()));
    let child = lab.options.cgroup.join("child");
    fs::create_dir(&child).unwrap();
    let id = cgroup_id(&child).unwrap();
    assert_eq!(cgroup_path(&mount, id), Some(child.clone()));
    fs::remove_dir(&child).unwrap();
    assert_eq!(cgroup_path(&mount, id), None);
    assert_eq!(cgroup_path(&mount, 0), None);
    assert_eq!(cgroup_path("/nowhere".as_ref(), id), None);
    assert!(cgroup_id(&child).is_err());
    assert!(cgroup_id("/tmp".as_ref()).is_err());
}
