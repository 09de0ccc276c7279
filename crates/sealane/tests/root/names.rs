//! Names of tasks, as programs on the host and in containers ask for them.

use std::path::Path;

use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::native_client;
use crate::definitions::{docker, native};
use crate::lab::{Lab, SOON, With, run};
use crate::networks::native_on;

impl Lab {
    /// What dig says on the host, line by line.
    fn dig(&self, words: &[&str]) -> Vec<String> {
        let mut dig = self.host.command("dig");
        dig.args(["@198.51.100.1", "+short", "+tries=3", "+time=5"])
            .args(words);
        let text = run(&mut dig).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The addresses of an app's only task.
    fn own_addresses(&self, app: &str) -> Vec<String> {
        let task = self.tasks(app).unwrap().remove(0);
        let addresses = task["ipAddresses"].as_array().unwrap();
        let text = |it: &Value| it["ipAddress"].as_str().unwrap().to_owned();
        addresses.iter().map(text).collect()
    }
}

#[test]
fn names_of_tasks_in_every_mode() {
    let lab = Lab::new("names", With::Both).unwrap();
    let agent = lab.host.address().to_string();
    let bridge = json!([{"mode": "container/bridge"}]);
    lab.deploy(&native("/shop/hosted", "hosted:80")).unwrap();
    lab.deploy(&native_on("/bridged", "bridged:80", &bridge, Some(0)))
        .unwrap();
    lab.deploy(&docker("/docked", "docked:80")).unwrap();
    names_of(&lab, "/shop/hosted", "hosted-shop");
    for (app, label) in [("/bridged", "bridged"), ("/docked", "docked")] {
        names_of(&lab, app, label);
        let pointer = format!("{label}.marathon.containerip.dcos.thisdcos.directory.");
        assert_eq!(lab.dig(&["-x", &lab.own_addresses(app)[0]]), [pointer]);
    }
    let named = lab.dig(&["SRV", "_api._hosted-shop._tcp.marathon.mesos"]);
    assert_eq!(named.len(), 1, "{named:?}");
    for name in [
        "leader.mesos",
        "master0.mesos",
        "slave.mesos",
        "thisnode.thisdcos.directory",
    ] {
        assert_eq!(lab.dig(&[name]), [agent.as_str()], "{name}");
    }
    let vip = lab.vip("docked.marathon").unwrap();
    let expected = ["docked.marathon.l4lb.thisdcos.directory."];
    assert_eq!(lab.dig(&["-x", &vip]), expected);
    from_a_container(&lab, &bridge);
    lab.sealane(&["app", "delete", "/docked", "--wait"])
        .unwrap();
    wait_for("the name to go", SOON, || {
        lab.dig(&["docked.marathon.mesos"]).is_empty().then_some(())
    })
    .unwrap();
}

/// Names of an app whose ports are its node's.
fn names_of(lab: &Lab, app: &str, label: &str) {
    let agent = [lab.host.address().to_string()];
    let own = lab.own_addresses(app);
    let auto = format!("{label}.marathon.autoip.dcos.thisdcos.directory");
    wait_for("the name", SOON, || {
        (lab.dig(&[&auto]) == agent).then_some(())
    })
    .unwrap();
    for (name, expected) in [
        ("agentip.dcos.thisdcos.directory", &agent[..]),
        ("agentip.dcos.thisdcos.global", &agent),
        ("containerip.dcos.thisdcos.directory", &own),
        ("mesos", &agent),
        ("slave.mesos.thisdcos.directory", &agent),
    ] {
        let name = format!("{label}.marathon.{name}");
        assert_eq!(lab.dig(&[&name]), expected, "{name}");
    }
    let port = lab.tasks(app).unwrap()[0]["ports"][0].to_string();
    let found = lab.dig(&["SRV", &format!("_{label}._tcp.marathon.mesos")]);
    let words: Vec<&str> = found[0].split(' ').collect();
    assert_eq!(words[2], port, "{found:?}");
    assert_eq!(lab.dig(&[words[3]]), agent, "{found:?}");
}

/// A container asks its own resolver, which is ours.
fn from_a_container(lab: &Lab, networks: &Value) {
    let name = "bridged.marathon.containerip.dcos.thisdcos.directory";
    let script = format!("until getent ahostsv4 {name}; do sleep 0.2; done");
    lab.deploy(&native_client("/asking", networks, &script))
        .unwrap();
    let printed = lab.printed("/asking").unwrap();
    let expected = &lab.own_addresses("/bridged")[0];
    assert!(printed.starts_with(expected), "{printed}");
}

/// The host's own files are replaced by copies in a mount namespace of the test's.
#[test]
fn the_host_itself_finds_names_when_it_is_told_to() {
    let lab = Lab::new("hostdns", With::Native).unwrap();
    lab.deploy(&native("/web", "web:80")).unwrap();
    let agent = lab.host.address().to_string();
    wait_for("the name", SOON, || {
        (lab.dig(&["web.marathon.mesos"]) == [agent.as_str()]).then_some(())
    })
    .unwrap();
    let etc = lab.host.directory().join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    let before = "# by hand\nnameserver 127.0.0.9\noptions timeout:1 attempts:1\n";
    std::fs::write(etc.join("elsewhere"), before).unwrap();
    std::os::unix::fs::symlink("elsewhere", etc.join("resolv.conf")).unwrap();
    let script = format!(
        "cp /etc/passwd /etc/group /etc/hosts {etc}/
         echo 'hosts: files dns' > {etc}/nsswitch.conf
         mount --bind {etc} /etc
         getent ahostsv4 web.marathon.mesos && exit 9
         {sealane} dns status; {sealane} dns enable; {sealane} dns enable
         getent ahostsv4 web.marathon.mesos
         getent ahostsv4 web.marathon.l4lb.thisdcos.directory
         getent hosts {agent} || true
         {sealane} dns status
         echo 'nameserver 127.0.0.8' > /etc/new; mv /etc/new /etc/resolv.conf
         {sealane} dns disable 2>&1 && exit 9
         {sealane} dns disable --force
         {sealane} dns status
         getent ahostsv4 web.marathon.mesos && exit 9
         readlink /etc/resolv.conf",
        etc = etc.display(),
        sealane = env!("CARGO_BIN_EXE_sealane"),
    );
    let mut shell = lab.host.command("unshare");
    shell.args(["--mount", "--propagation", "private", "sh", "-ec", &script]);
    let told = run(&mut shell).unwrap();
    let vip = lab.vip("web.marathon").unwrap();
    for (expected, count) in [
        ("this host finds Sealane's names through resolv.conf\n", 1),
        (
            "this host finds Sealane's names through resolv.conf already\n",
            1,
        ),
        (&format!("{agent} "), 3),
        (&format!("{vip} "), 3),
        ("answers  at 198.51.100.1\n", 3),
        ("enabled  resolv.conf\n", 1),
        ("enabled  no\n", 2),
        ("repeat this with --force", 1),
        (
            "this host resolves names as it did before\nenabled  no\n",
            1,
        ),
    ] {
        assert_eq!(told.matches(expected).count(), count, "{expected}: {told}");
    }
    assert!(told.ends_with("elsewhere\n"), "{told}");
    assert_eq!(
        std::fs::read_to_string(etc.join("elsewhere")).unwrap(),
        before
    );
    assert!(!etc.join("resolv.conf.before-sealane").exists());
}

/// Without a daemon that answers, the host is left as it is.
#[test]
fn a_resolver_that_does_not_answer_is_not_enabled() {
    let mut lab = Lab::new("nodns", With::Native).unwrap();
    lab.stop().unwrap();
    let etc = lab.host.directory().join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("resolv.conf"), "nameserver 127.0.0.9\n").unwrap();
    let script = format!(
        "mount --bind {etc} /etc; {sealane} dns enable; echo $?; ls /etc; cat /etc/resolv.conf",
        etc = etc.display(),
        sealane = env!("CARGO_BIN_EXE_sealane"),
    );
    let mut shell = lab.host.command("unshare");
    shell.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    let told = run(&mut shell).unwrap();
    assert_eq!(told, "69\nresolv.conf\nnameserver 127.0.0.9\n");
}

/// A script in the place of systemctl that reloads as systemd-resolved does, and ends with
/// `result`.
fn stand_in(files: &Path, result: u8) {
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> {files}/log\n[ $1 = is-active ] && exit 0\n\
         list={files}/run/systemd/resolve/resolv.conf\n\
         echo nameserver 10.0.0.2 > $list\n\
         [ -e {files}/etc/systemd/resolved.conf.d/sealane.conf ] && \
         echo nameserver 198.51.100.1 >> $list\nexit {result}\n",
        files = files.display(),
    );
    let path = files.join("bin/systemctl");
    std::fs::write(&path, text).unwrap();
    run(std::process::Command::new("chmod").arg("755").arg(&path)).unwrap();
}

/// Where systemd-resolved answers, it is told, told to read that, and asked whether it did.
/// A dnsmasq stands for it, and a script for systemctl.
#[test]
fn systemd_resolved_is_told_to_reload() {
    let lab = Lab::new("resolved", With::Native).unwrap();
    let files = lab.host.directory().join("files");
    for path in ["etc/systemd", "run/systemd/resolve", "bin"] {
        std::fs::create_dir_all(files.join(path)).unwrap();
    }
    std::fs::write(files.join("etc/resolv.conf"), "nameserver 127.0.0.53\n").unwrap();
    let log = files.join("log");
    let drop_in = files.join("etc/systemd/resolved.conf.d/sealane.conf");
    let systemctl = |result| stand_in(&files, result);
    let shell = |words: &str, server: &str| {
        let script = format!(
            "mount --bind {files}/etc /etc; mount --bind {files}/run/systemd /run/systemd
             dnsmasq --keep-in-foreground --conf-file=/dev/null --user= --no-resolv \
               --no-hosts --bind-interfaces --listen-address=127.0.0.53 --server={server} &
             trap 'kill '$! EXIT
             export PATH={files}/bin:$PATH; {sealane} dns {words} 2>&1; echo $?",
            files = files.display(),
            sealane = env!("CARGO_BIN_EXE_sealane"),
        );
        let mut shell = lab.host.command("unshare");
        shell.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        run(&mut shell).unwrap()
    };
    systemctl(1);
    let told = shell("enable", "198.51.100.1");
    assert!(
        told.contains("not reloaded") && told.ends_with("\n1\n"),
        "{told}"
    );
    assert!(
        !drop_in.exists(),
        "a change that is not taken is taken back"
    );
    systemctl(0);
    let told = shell("enable", "127.0.0.9");
    assert!(told.contains("does not find ready.spartan"), "{told}");
    assert!(!drop_in.exists(), "nor is one that does not help");
    let told = shell("enable", "198.51.100.1");
    assert!(told.ends_with("through systemd-resolved\n0\n"), "{told}");
    assert!(drop_in.exists());
    let told = shell("disable", "198.51.100.1");
    assert!(
        told.ends_with("as it did before\n0\n") && !drop_in.exists(),
        "{told}"
    );
    let asked = "is-active --quiet systemd-resolved.service\n";
    let reload = "reload-or-restart systemd-resolved.service\n";
    // What is taken back is told, too.
    let failed = [asked, reload, reload].concat();
    assert_eq!(
        std::fs::read_to_string(log).unwrap(),
        [&failed, &failed, asked, reload, reload].concat()
    );
}
