//! containerd's own client, which reads /etc/cni/net.d and /opt/cni/bin.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With};
use crate::sandboxes::call;

/// Makes the places that are compiled into the client ours, for one process: a mount
/// namespace of its own, in which the host's directories are covered.
const COVERED: &str = r#"
mount --make-rprivate /
mkdir -p /etc/cni/net.d
mount --bind "$NETWORKS" /etc/cni/net.d
mkdir -p /opt && mount -t tmpfs none /opt
mkdir -p /opt/cni/bin
cp -P "$PLUGINS"/sealane /usr/lib/cni/loopback /opt/cni/bin/
exec ctr --address "$SOCKET" --namespace "$NAMESPACE" "$@"
"#;

/// A folder with the one network that the client is to join: of several it takes the
/// first by name, and the daemon's own bridge is in its folder as well.
fn networks(lab: &Lab) -> Result<PathBuf> {
    let folder = lab.state.join("ctr-networks");
    fs::create_dir_all(&folder)?;
    let list = "dcos.conflist";
    fs::copy(lab.state.join("cni/net.d").join(list), folder.join(list))?;
    Ok(folder)
}

fn ctr(lab: &Lab, arguments: &[&str]) -> Result<Command> {
    let containerd = lab.containerd.as_ref().context("no containerd")?;
    let mut command = lab.host.command("unshare");
    command
        .args(["--mount", "sh", "-ec", COVERED, "ctr"])
        .args(arguments)
        .env("NETWORKS", networks(lab)?)
        .env("PLUGINS", lab.state.join("cni-bin"))
        .env("SOCKET", containerd.socket())
        .env("NAMESPACE", containerd.namespace());
    Ok(command)
}

/// The IPv4 address that the only interface on a virtual network leads to.
fn address(lab: &Lab) -> Option<IpAddr> {
    let end = lab.host_ends().ok()?.pop()?;
    let mut ip = lab.host.command("ip");
    let routes = crate::lab::run(ip.args(["-4", "route", "show", "dev", &end])).ok()?;
    routes.split_whitespace().next()?.parse().ok()
}

#[test]
fn containers_of_ctr_are_on_the_virtual_network() {
    let lab = Lab::new("ctr", With::Native).unwrap();
    lab.cni_ready().unwrap();
    let containerd = lab.containerd.as_ref().unwrap();
    containerd.import_busybox("busybox:test").unwrap();
    // runc knows containers of a namespace by name, also those of a killed test.
    let name = format!("web-{}", std::process::id());
    let server = "busybox ip address show dev eth0; \
                  while [ ! -e /done ]; do echo hello | busybox nc -l -p 7001; done";
    let run = [
        "run",
        "--rm",
        "--cni",
        "--snapshotter",
        "native",
        "busybox:test",
        &name,
        "/bin/busybox",
        "sh",
        "-c",
        server,
    ];
    let mut client = ctr(&lab, &run).unwrap();
    let client = client
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let found = wait_for("the container's address", SOON, || {
        if client.try_wait().ok()?.is_some() {
            return Some(None);
        }
        address(&lab).map(Some)
    });
    let Some(address) = found.unwrap() else {
        panic!("{:?}\n{}", client.wait_with_output(), lab.log_text());
    };
    let host = lab.host.netns_path();
    let to = SocketAddr::new(address, 7001);
    let answer = wait_for("the container to answer", SOON, || call(&host, to).ok());
    assert_eq!(answer.unwrap(), "hello\n");
    let holder = format!("{}-{name}/eth0", containerd.namespace());
    assert_eq!(lab.holders().unwrap(), [holder]);
    // Its task ends; the client says DEL without a namespace.
    let kill = ["tasks", "kill", "--signal", "SIGKILL", &name];
    assert!(ctr(&lab, &kill).unwrap().status().unwrap().success());
    let output = client.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains(&address.to_string()), "{output:?}");
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    assert_eq!(lab.host_ends().unwrap(), [""; 0]);
}
