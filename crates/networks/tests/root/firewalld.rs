//! Host ports on a host with firewalld: the real one, on a message bus of its own.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::Protocol::Tcp;
use testlab::wait_for;

use crate::host::Host;
use crate::peers::{Remote, ask, serve};
use crate::ports::{at, attach, both};

/// How long firewalld may take to start or to do what it is told.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bus on which everybody may do everything.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>"#;

/// A firewalld that ends with its test.
struct Firewalld<'h> {
    host: &'h Host,
    bus: String,
    processes: Vec<Child>,
}

impl<'h> Firewalld<'h> {
    fn start(host: &'h Host) -> Self {
        let socket = host.path("bus");
        let config = host.path("bus.conf");
        fs::write(
            &config,
            BUS.replace("SOCKET", &socket.display().to_string()),
        )
        .unwrap();
        fs::create_dir(host.path("firewalld")).unwrap();
        let mut started = Self {
            host,
            bus: format!("unix:path={}", socket.display()),
            processes: Vec::new(),
        };
        started.run(&format!(
            "exec dbus-daemon --nofork --config-file={}",
            config.display()
        ));
        started.until("the bus", |it| it.host.path("bus").exists());
        started.run(&format!(
            "exec firewalld --nofork --nopid --system-config {} --log-file {}",
            host.path("firewalld").display(),
            host.path("firewalld.log").display(),
        ));
        started.until("firewalld", |it| it.ask("--state").is_some());
        started
    }

    /// Starts a program on the host.
    fn run(&mut self, script: &str) {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.host.path("host").display()))
            .args(["sh", "-c", script])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.processes.push(command.spawn().unwrap());
    }

    /// What firewalld answers, unless it refuses.
    fn ask(&self, words: &str) -> Option<String> {
        let output = Command::new("firewall-cmd")
            .args(words.split(' '))
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus)
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(answer)
    }

    fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        wait_for(what, PATIENCE, || is(self).then_some(())).unwrap_or_else(|error| {
            let log = fs::read_to_string(self.host.path("firewalld.log"));
            panic!("{error}\n{}", log.unwrap_or_default())
        });
    }
}

impl Drop for Firewalld<'_> {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

#[test]
fn host_ports_work_beside_firewalld_and_outlive_its_reload() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    let firewalld = Firewalld::start(&host);
    let networks = host.networks();
    let one = attach(&host, &networks, "one", both("routed", 31230, 80));
    serve(&one.netns, 80, "one");
    serve(&remote.namespace, 80, "remote");
    let reaches = |when: &str| {
        for ip in [Remote::HOST_V4, Remote::HOST_V6] {
            let heard = ask(&remote.namespace, at(ip, 31230), Tcp);
            assert!(heard.is_ok_and(|it| it.starts_with("one")), "{ip} {when}");
        }
    };
    reaches("at first");
    firewalld.ask("--reload").unwrap();
    reaches("after a reload");
    assert!(!host.run(networks.settle_host_ports()).unwrap());

    // What containers begin, it lets through once it trusts their interfaces.
    let out = || ask(&one.netns, at(Remote::V4, 80), Tcp);
    out().unwrap_err();
    firewalld
        .ask("--zone=trusted --add-interface=veth+")
        .unwrap();
    out().unwrap();

    host.run(networks.detach("one")).unwrap();
    let left = host.sh("nft list ruleset");
    assert!(
        !left.contains("31230") && left.contains("table inet firewalld"),
        "{left}"
    );
}
