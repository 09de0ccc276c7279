//! Podman with its CNI backend, on a virtual network.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::clients::{native_client, until_answered};
use crate::definitions::native;
use crate::lab::{Lab, SOON, With, run};
use crate::sandboxes::{call, talk};

/// What containers run: a server that says hello on a port.
const SERVER: &str = "while :; do echo hello | nc -l -p 7001; done";

/// Podman on a lab's host, all of it in the host's directory.
struct Podman<'a> {
    lab: &'a Lab,
    directory: PathBuf,
}

impl<'a> Podman<'a> {
    /// With an image of busybox alone.
    fn new(lab: &'a Lab) -> Result<Self> {
        let directory = lab.host.directory().join("podman");
        let podman = Self { lab, directory };
        let root = podman.directory.join("image");
        fs::create_dir_all(root.join("bin"))?;
        fs::copy("/bin/busybox", root.join("bin/busybox")).context("install busybox-static")?;
        for applet in ["sh", "nc", "ip", "cat"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
        }
        for empty in ["etc", "tmp", "proc", "dev", "sys"] {
            fs::create_dir_all(root.join(empty))?;
        }
        let tar = podman.directory.join("image.tar");
        run(std::process::Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&tar)
            .arg("."))?;
        podman.configure()?;
        podman.run(&["import", tar.to_str().context("no text")?, "busybox:test"])?;
        Ok(podman)
    }

    /// Limits are those that every test machine allows.
    fn configure(&self) -> Result<()> {
        let config = format!(
            "[containers]\ndefault_ulimits = ['nofile=1024:1024', 'nproc=4096:4096']\n\
             [network]\nnetwork_backend = 'cni'\nnetwork_config_dir = '{networks}'\n\
             cni_plugin_dirs = ['/usr/lib/cni', '{plugins}']\n\
             [engine]\ncgroup_manager = 'cgroupfs'\nevents_logger = 'file'\n",
            networks = self.lab.state.join("cni/net.d").display(),
            plugins = self.lab.state.join("cni-bin").display(),
        );
        Ok(fs::write(self.directory.join("containers.conf"), config)?)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let below = |name: &str| self.directory.join(name);
        let mut command = self.lab.host.command("podman");
        command.env("CONTAINERS_CONF", below("containers.conf"));
        command.arg("--root").arg(below("root"));
        command.arg("--runroot").arg(below("run"));
        command.arg("--tmpdir").arg(below("tmp"));
        command.args(["--storage-driver", "vfs"]).args(arguments);
        let printed = run(&mut command);
        let printed =
            printed.with_context(|| format!("the daemon's log:\n{}", self.lab.log_text()));
        Ok(printed?.trim().to_owned())
    }

    /// Starts a container that serves; `options` are more of `podman run`.
    fn serve(&self, name: &str, options: &[&str]) -> Result<()> {
        let mut arguments = vec!["run", "--detach", "--network", "dcos", "--name", name];
        arguments.extend(["--cgroup-parent"]);
        let parent = self.lab.host.cgroup_parent();
        arguments.push(&parent);
        arguments.extend(options);
        arguments.extend(["busybox:test", "sh", "-c", SERVER]);
        self.run(&arguments).map(drop)
    }

    fn shell(&self, name: &str, script: &str) -> Result<String> {
        self.run(&["exec", name, "sh", "-c", script])
    }

    /// The addresses that Podman says a container has on the network.
    fn addresses(&self, name: &str) -> Result<[IpAddr; 2]> {
        let shown: Value = serde_json::from_str(&self.run(&["inspect", name])?)?;
        let network = &shown[0]["NetworkSettings"]["Networks"]["dcos"];
        let text = |key: &str| network[key].as_str().unwrap_or_default();
        let parse = |key: &str| text(key).parse().with_context(|| network.to_string());
        Ok([parse("IPAddress")?, parse("GlobalIPv6Address")?])
    }

    /// The namespace of a container.
    fn netns(&self, name: &str) -> Result<PathBuf> {
        let path = self.run(&[
            "inspect",
            "--format",
            "{{.NetworkSettings.SandboxKey}}",
            name,
        ])?;
        Ok(Path::new(&path).to_owned())
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        drop(self.run(&["rm", "--all", "--force", "--time", "0"]));
    }
}

#[test]
fn containers_of_podman_are_on_the_virtual_network() {
    let lab = Lab::new("podman", With::Native).unwrap();
    lab.cni_ready().unwrap();
    let podman = Podman::new(&lab).unwrap();
    podman.serve("web", &["--publish", "18082:7001"]).unwrap();
    let own = podman.addresses("web").unwrap();
    let inside = podman.shell("web", "ip address show dev eth0").unwrap();
    let (host, netns) = (lab.host.netns_path(), podman.netns("web").unwrap());
    for address in own {
        assert!(inside.contains(&address.to_string()), "{inside}");
        let there = match address {
            IpAddr::V4(_) => lab.host.address().into(),
            IpAddr::V6(_) => lab.host.address6().into(),
        };
        let seen = talk(&netns, &host, 7002, SocketAddr::new(there, 7002)).unwrap();
        assert_eq!(
            seen, address,
            "a process of the host sees the container's address"
        );
    }
    let answer = |to: SocketAddr| {
        wait_for("the container to answer", SOON, || call(&host, to).ok()).unwrap()
    };
    assert_eq!(answer(SocketAddr::new(own[0], 7001)), "hello\n");
    assert_eq!(
        answer(SocketAddr::new(lab.host.address().into(), 18082)),
        "hello\n"
    );
    assert_eq!(
        answer(SocketAddr::new([127, 0, 0, 1].into(), 18082)),
        "hello\n"
    );

    // A second container reaches the first, and a VIP by its name.
    lab.deploy(&native("/a", "a:80")).unwrap();
    podman.serve("client", &[]).unwrap();
    let script = format!("nc -w 5 {} 7001 < /dev/null", own[0]);
    assert_eq!(podman.shell("client", &script).unwrap(), "hello");
    let resolv = podman.shell("client", "cat /etc/resolv.conf").unwrap();
    assert!(resolv.contains("nameserver 198.51.100.1"), "{resolv}");
    // Static programs cannot use the C library's resolver, so a name is looked up first.
    let lookup = "busybox nslookup -type=a a.marathon.l4lb.thisdcos.directory";
    let vip = lab.vip("a.marathon").unwrap();
    let found = wait_for("the VIP's name", SOON, || {
        let found = podman.shell("client", lookup).ok()?;
        found.contains(&vip).then_some(())
    });
    found.unwrap();
    let get = format!("busybox printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {vip} 80");
    let answer = podman.shell("client", &get).unwrap();
    assert!(answer.contains("\r\n\r\na."), "{answer}");

    podman
        .run(&["rm", "--force", "--time", "0", "client"])
        .unwrap();
    assert_eq!(lab.holders().unwrap().len(), 1);
    podman
        .run(&["rm", "--force", "--time", "0", "web"])
        .unwrap();
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    assert_eq!(lab.host_ends().unwrap(), [""; 0]);
    call(&host, SocketAddr::new(lab.host.address().into(), 18082)).unwrap_err();
}

#[test]
fn podman_wants_an_address_and_native_tasks_are_its_neighbours() {
    let mut lab = Lab::new("podman-tasks", With::Native).unwrap();
    lab.cni_ready().unwrap();
    let wanted;
    {
        let podman = Podman::new(&lab).unwrap();
        podman.serve("first", &[]).unwrap();
        let [IpAddr::V4(first), _] = podman.addresses("first").unwrap() else {
            panic!("no IPv4 address first");
        };
        wanted = std::net::Ipv4Addr::from_bits(first.to_bits() ^ 0x40);
        let options = [
            "--ip",
            &wanted.to_string(),
            "--mac-address",
            "02:42:09:00:00:09",
        ];
        podman.serve("wanted", &options).unwrap();
        assert_eq!(podman.addresses("wanted").unwrap()[0], IpAddr::V4(wanted));
        let link = podman.shell("wanted", "ip link show dev eth0").unwrap();
        assert!(link.contains("02:42:09:00:00:09"), "{link}");
        let taken = podman
            .serve("again", &["--ip", &wanted.to_string()])
            .unwrap_err();
        assert!(format!("{taken:#}").contains("in use"), "{taken:#}");
        // A native task on the same network reaches it, and is reached.
        let network = json!([{"mode": "container", "name": "dcos"}]);
        let script = until_answered(&format!("--http0.9 http://{wanted}:7001/"));
        lab.deploy(&native_client("/client", &network, &script))
            .unwrap();
        assert_eq!(lab.printed("/client").unwrap(), "hello");
        let task = &lab.tasks("/client").unwrap()[0];
        let own = task["ipAddresses"][0]["ipAddress"]
            .as_str()
            .unwrap()
            .to_owned();
        // Whatever answers, refuses or not, came back from the task's own namespace.
        let script = format!("nc -w 5 {own} 1 2>&1 < /dev/null || true");
        assert!(podman.shell("wanted", &script).unwrap().contains("refused"));
        assert_eq!(lab.holders().unwrap().len(), 3);
    }
    // What Podman removed while no daemon ran is found by the next one.
    lab.sealane(&["app", "delete", "/client", "--wait"])
        .unwrap();
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    let config = lab.cni_config("1.1.0");
    lab.kill().unwrap();
    lab.start().unwrap();
    lab.cni_ready().unwrap();
    let sandbox = crate::sandboxes::Sandbox::new(&lab, "a").unwrap();
    let mut wants = config;
    wants["runtimeConfig"] = json!({"ips": [wanted]});
    lab.cni_add("a", &sandbox, &wants);
    lab.cni_del("a");
}
