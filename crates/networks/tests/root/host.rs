//! A host in a network namespace of its own, with its own state and plugins.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mesos::{IpAddress, NetworkInfo, PortMapping};
use netlink::netns;
use networks::{HostPorts, HostPortsOptions, Networks, Options};

/// Where Debian puts the reference plugins.
const REFERENCE_PLUGINS: &str = "/usr/lib/cni";

pub(crate) struct Host {
    directory: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let plugins = ["bridge", "host-local", "portmap", "ptp"];
        for plugin in plugins {
            let path = Path::new(REFERENCE_PLUGINS).join(plugin);
            assert!(
                path.is_file(),
                "{} is missing: apt install containernetworking-plugins",
                path.display()
            );
        }
        let directory = tempfile::tempdir().unwrap();
        let host = Self { directory };
        for name in ["configs", "plugins"] {
            fs::create_dir(host.path(name)).unwrap();
        }
        netns::create(&host.path("host")).unwrap();
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a daemon on this host has after it started.
    pub(crate) fn networks(&self) -> Networks {
        self.networks_with(HostPorts::new(HostPortsOptions::default()))
    }

    pub(crate) fn networks_with(&self, host_ports: HostPorts) -> Networks {
        Networks::new(Options {
            host_ports,
            config_dirs: vec![self.path("configs")],
            plugin_dirs: vec![self.path("plugins"), REFERENCE_PLUGINS.into()],
            state: self.path("state"),
            run: self.path("run"),
            plugin_timeout: Duration::from_secs(30),
            ..Options::default()
        })
        .unwrap()
    }

    pub(crate) fn config(&self, name: &str, json: &serde_json::Value) {
        fs::write(self.path("configs").join(name), json.to_string()).unwrap();
    }

    /// A bridge network with a range of its own and no firewall plugin.
    pub(crate) fn bridge(&self, name: &str, interface: &str, subnet: &str) {
        let ipam = serde_json::json!({
            "type": "host-local", "dataDir": self.path("leases"), "subnet": subnet,
            "routes": [{"dst": "0.0.0.0/0"}]
        });
        self.config(
            &format!("{name}.conf"),
            &serde_json::json!({
                "cniVersion": "0.3.1", "name": name, "type": "bridge", "bridge": interface,
                "isGateway": true, "ipam": ipam
            }),
        );
    }

    /// A network of both families, with or without a bridge, and no plugin for ports:
    /// 10.99.`number`.0/24 and fd99:0:0:`number`::/64.
    pub(crate) fn dual(&self, name: &str, kind: &str, number: u8) {
        // A gateway that is still being checked for doubles answers nobody.
        self.sh("sysctl -q -w net.ipv6.conf.default.accept_dad=0");
        let ipam = serde_json::json!({
            "type": "host-local", "dataDir": self.path("leases"),
            "ranges": [
                [{"subnet": format!("10.99.{number}.0/24")}],
                [{"subnet": format!("fd99:0:0:{number}::/64")}]
            ],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        });
        let bridge = format!("cni{number}");
        self.config(
            &format!("{name}.conf"),
            &serde_json::json!({
                "cniVersion": "0.3.1", "name": name, "type": kind, "bridge": bridge,
                "isGateway": true, "hairpinMode": true, "ipam": ipam
            }),
        );
    }

    pub(crate) fn plugin(&self, name: &str, script: &str) {
        let path = self.path("plugins").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let config = serde_json::json!({"cniVersion": "1.0.0", "name": name, "type": name});
        self.config(&format!("{name}.conf"), &config);
    }

    /// Runs a future as the daemon of this host would.
    pub(crate) fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        netns::run_in(&self.path("host"), || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(future)
        })
        .unwrap()
    }

    /// Runs a command on this host and returns what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        inside(&self.path("host"), script)
    }

    pub(crate) fn connect(&self, to: SocketAddr) -> std::io::Result<String> {
        talk(&self.path("host"), to)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.path("run/netns"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = netns::delete(&entry.path());
        }
        let _ = netns::delete(&self.path("host"));
    }
}

/// Runs a command in a namespace and returns what it printed.
pub(crate) fn inside(namespace: &Path, script: &str) -> String {
    netns::run_in(namespace, || {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    })
    .unwrap()
}

/// A server in a namespace that says hello to one client.
pub(crate) fn serve(namespace: &Path, port: u16) {
    let listener = netns::run_in(namespace, || TcpListener::bind(("0.0.0.0", port))).unwrap();
    let listener = listener.unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _ = client.and_then(|mut client| client.write_all(b"hello"));
        }
    });
}

/// What a server says to a client in a namespace, if it answers within a second.
pub(crate) fn talk(namespace: &Path, to: SocketAddr) -> std::io::Result<String> {
    netns::run_in(namespace, || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })
    .unwrap()
}

pub(crate) fn wanting(network: &str, address: &str) -> NetworkInfo {
    let ip_addresses = vec![IpAddress {
        protocol: None,
        ip_address: Some(address.to_owned()),
    }];
    NetworkInfo {
        ip_addresses,
        ..NetworkInfo::named(network)
    }
}

pub(crate) fn mapped(network: &str, host_port: u32, container_port: u32) -> NetworkInfo {
    let port_mappings = vec![PortMapping {
        host_port,
        container_port,
        protocol: None,
    }];
    NetworkInfo {
        port_mappings,
        ..NetworkInfo::named(network)
    }
}

pub(crate) fn first(info: &NetworkInfo) -> IpAddr {
    info.addresses().next().unwrap()
}
