//! Cgroups that are left alone. K1, B15.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use datapath::{cgroup_id, cgroup_path, find_cgroup2};
use model::Protocol::{Tcp, Udp};

use crate::lab::{Client, Lab, far, table, vip};

/// A client in a namespace of its own, in a cgroup below the lab's, with a backend of
/// its own; nothing leads to the VIP there.
fn client_below(lab: &Lab, names: &[&str]) -> (Client, Below) {
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
    (client, Below(directory))
}

/// A cgroup that goes with this value, and whoever is in it.
struct Below(PathBuf);

impl Below {
    fn id(&self) -> u64 {
        cgroup_id(&self.0).unwrap()
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(5));
        }
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
    let (mut beside, _other) = client_below(&lab, &["other"]);
    let backend = [far("a", "127.0.0.1:7000".parse().unwrap())];
    lab.apply(&table(&[
        (vip(80), Tcp, &backend),
        (vip(53), Udp, &backend),
    ]));
    assert!(is_translated(&mut above) && is_translated(&mut below));

    let exempt = BTreeSet::from([top.id()]);
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
    let exempt = BTreeSet::from([inner.id()]);
    lab.datapath().set_exempt(&exempt).unwrap();
    assert!(is_translated(&mut above) && !is_translated(&mut below));
    lab.datapath().set_exempt(&BTreeSet::new()).unwrap();
    assert!(is_translated(&mut above) && is_translated(&mut below));
}

#[test]
fn more_than_fit_are_told_and_the_others_exempt() {
    let mut lab = Lab::new();
    let (mut client, directory) = client_below(&lab, &["pod"]);
    let backend = [far("a", "127.0.0.1:7000".parse().unwrap())];
    lab.apply(&table(&[(vip(80), Tcp, &backend)]));
    let mut many: BTreeSet<u64> = (1 << 40..(1 << 40) + 20).collect();
    many.insert(directory.id());
    let error = lab.datapath().set_exempt(&many).unwrap_err();
    assert!(error.to_string().starts_with("all 16 exempt"), "{error}");
    assert!(!is_translated(&mut client));
    let few = BTreeSet::from([1 << 50]);
    lab.datapath().set_exempt(&few).unwrap();
    assert!(is_translated(&mut client));
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
