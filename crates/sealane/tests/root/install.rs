//! Before the first start and after the last: `doctor`, `uninstall`, and two daemons
//! that share a host.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::definitions::native;
use crate::lab::{Lab, SOON, With, run};

/// Runs `sealane doctor` or `uninstall`; yields exit code and all that it printed.
fn on_host(lab: &Lab, command: &str) -> (Option<i32>, String) {
    let mut sealane = lab.host.command(env!("CARGO_BIN_EXE_sealane"));
    sealane.args([command, "--config"]).arg(lab.config());
    let output = sealane.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn the_doctor_sees_what_is_there_and_what_is_missing() {
    let mut lab = Lab::new("doctor", With::Both).unwrap();
    let (code, said) = on_host(&lab, "doctor");
    assert_eq!(code, Some(0), "{said}");
    let verdicts: Vec<_> = said.lines().skip(1).collect();
    assert!(verdicts.len() > 8, "{said}");
    assert!(
        verdicts.iter().all(|line| line.starts_with("ok ")),
        "{said}"
    );
    let running = verdicts.iter().find(|line| line.contains("running daemon"));
    assert!(running.unwrap().contains("no problems"), "{said}");
    drop(lab.docker.take());
    let (code, said) = on_host(&lab, "doctor");
    assert_eq!(code, Some(1), "{said}");
    let failed: Vec<_> = said.lines().filter(|it| it.starts_with("FAILED")).collect();
    assert_eq!(failed.len(), 1, "{said}");
    assert!(failed[0].contains("docker"), "{said}");
    assert!(
        said.contains("help: docker: apt-get install docker.io"),
        "{said}"
    );
}

/// Addresses that the host's namespace must not let out, by `ip route`.
fn unreachable(lab: &Lab) -> Vec<String> {
    let mut routes = Vec::new();
    for family in ["-4", "-6"] {
        let mut ip = lab.host.command("ip");
        ip.args([family, "route", "show", "type", "unreachable"]);
        routes.extend(run(&mut ip).unwrap().lines().map(str::to_owned));
    }
    routes
}

/// Names of the host's nftables tables that are a daemon's.
fn tables(lab: &Lab) -> Vec<String> {
    let listed = run(lab.host.command("nft").args(["list", "tables", "inet"])).unwrap();
    let ours = listed.lines().filter(|line| line.contains("sealane"));
    ours.map(str::to_owned).collect()
}

fn pins(lab: &Lab) -> PathBuf {
    let owner = fs::read_to_string(lab.state.join("owner")).unwrap();
    PathBuf::from("/sys/fs/bpf").join(format!("sealane-{}", owner.trim()))
}

#[test]
fn uninstalling_leaves_nothing_in_the_kernel() {
    let mut lab = Lab::new("uninstall", With::Native).unwrap();
    lab.deploy(&native("/a", "a:80")).unwrap();
    let mut untranslated = native("/left", "left:80");
    untranslated["labels"] = json!({"sealane.translate": "false"});
    lab.deploy(&untranslated).unwrap();
    lab.sealane(&["app", "delete", "/left", "--wait"]).unwrap();
    let cgroup = lab.host.cgroup().join("untranslated");
    assert!(cgroup.is_dir(), "{}", cgroup.display());
    let url = format!("http://{}/", lab.vip("a.marathon").unwrap());
    let answer = lab.curl(&url).unwrap();
    let port = lab.tasks("/a").unwrap()[0]["ports"][0].clone();
    let direct = format!("http://{}:{port}/", lab.host.address());
    let pins = pins(&lab);
    assert!(pins.exists(), "{}", pins.display());
    assert!(unreachable(&lab).len() >= 2, "{:?}", unreachable(&lab));
    assert_eq!(tables(&lab).len(), 1, "{:?}", tables(&lab));

    let (code, said) = on_host(&lab, "uninstall");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another daemon uses"), "{said}");
    assert_eq!(lab.curl(&url).unwrap(), answer, "nothing was removed");

    lab.stop().unwrap();
    let (code, said) = on_host(&lab, "uninstall");
    assert_eq!(code, Some(0), "{said}");
    assert!(!pins.exists(), "{}", pins.display());
    assert_eq!(unreachable(&lab), [""; 0]);
    assert_eq!(tables(&lab), [""; 0]);
    wait_for("the cgroup to go", SOON, || {
        on_host(&lab, "uninstall");
        (!cgroup.exists()).then_some(())
    })
    .unwrap();
    assert_eq!(lab.curl(&direct).unwrap(), answer, "containers go on");
    lab.curl(&url).unwrap_err();
    let (code, said) = on_host(&lab, "uninstall");
    assert_eq!(code, Some(0), "a second time: {said}");
    let mut elsewhere = lab.host.command(env!("CARGO_BIN_EXE_sealane"));
    let nowhere = lab.host.directory().join("nowhere");
    elsewhere.args(["uninstall", "--config"]).arg(lab.config());
    let output = elsewhere.arg("--state-dir").arg(&nowhere).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("does not exist"),
        "{said}"
    );
    assert!(!nowhere.exists());
    // The state is still there, so that a new start brings everything back.
    lab.start().unwrap();
    wait_for("the VIP to answer", SOON, || lab.curl(&url).ok()).unwrap();
    assert_eq!(lab.curl(&url).unwrap(), answer);
}

/// A second daemon on the host of a lab, in the cgroup `b` below the host's.
struct Second<'a> {
    lab: &'a Lab,
    config: PathBuf,
    daemon: Child,
}

impl<'a> Second<'a> {
    const API: &'static str = "http://127.0.0.1:8081";

    fn start(lab: &'a Lab) -> Result<Self> {
        let config = lab.host.directory().join("second.toml");
        let containerd = lab.containerd.as_ref().context("no containerd")?;
        let text = format!(
            "state-dir = '{state}'\ncgroup = '{cgroup}/b'\n[api]\nlisten = '127.0.0.1:8081'\n\
             [node]\nname = 'n2'\naddress = '{address}'\ncpus = 4.0\nmem = 4096.0\n\
             ports = ['33000-33100']\n[cni]\nconfig-dirs = []\nbridge-interface = 'sealane1'\n\
             bridge-subnet = '172.31.253.0/24'\n[docker]\nenabled = false\n\
             [containerd]\nsocket = '{socket}'\n[dns]\nupstreams = ['127.0.0.1']\n",
            state = lab.host.directory().join("second").display(),
            cgroup = lab.host.cgroup_parent(),
            address = lab.host.address(),
            socket = containerd.socket().display(),
        );
        fs::write(&config, text)?;
        let log = lab.host.directory().join("second.log");
        let daemon = lab
            .host
            .command(env!("CARGO_BIN_EXE_sealane"))
            .args(["daemon", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let second = Self {
            lab,
            config,
            daemon,
        };
        wait_for("the second daemon", SOON, || {
            second.sealane(&["status"]).ok()
        })
        .with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        Ok(second)
    }

    fn sealane(&self, arguments: &[&str]) -> Result<String> {
        let mut sealane = self.lab.host.command(env!("CARGO_BIN_EXE_sealane"));
        run(sealane.args(["--api", Self::API]).args(arguments))
    }

    /// GET from a process in this daemon's cgroup.
    fn curl(&self, url: &str) -> Result<String> {
        let procs = self.lab.host.cgroup().join("b/clients/cgroup.procs");
        fs::create_dir_all(procs.parent().context("no parent")?)?;
        OpenOptions::new().write(true).open(&procs)?;
        let script = format!("echo 0 > {}; exec curl -sS -m 5 {url}", procs.display());
        run(self.lab.host.command("sh").args(["-c", &script]))
    }

    fn end(&mut self) -> Result<()> {
        run(Command::new("kill").arg(self.daemon.id().to_string()))?;
        self.daemon.wait()?;
        let mut uninstall = self.lab.host.command(env!("CARGO_BIN_EXE_sealane"));
        run(uninstall.args(["uninstall", "--config"]).arg(&self.config))?;
        Ok(())
    }
}

impl Drop for Second<'_> {
    fn drop(&mut self) {
        if matches!(self.daemon.try_wait(), Ok(None)) {
            drop(self.end());
        }
    }
}

#[test]
fn two_daemons_share_a_host() {
    let lab = Lab::new("two", With::Native).unwrap();
    lab.deploy(&native("/a", "a:80")).unwrap();
    let first = format!("http://{}/", lab.vip("a.marathon").unwrap());
    let mut second = Second::start(&lab).unwrap();
    let file = lab.host.directory().join("b.json");
    fs::write(&file, native("/b", "b:80").to_string()).unwrap();
    let file = file.to_string_lossy().into_owned();
    second
        .sealane(&["app", "deploy", &file, "--wait", "--timeout", "60s"])
        .unwrap();
    let listed: Value =
        serde_json::from_str(&second.sealane(&["vip", "list", "-o", "json"]).unwrap()).unwrap();
    let vips = &listed["vips"];
    assert_eq!(vips.as_array().unwrap().len(), 1, "{vips}");
    let address = vips[0]["address"].as_str().unwrap();
    let other = format!("http://{address}/");
    assert!(second.curl(&other).unwrap().starts_with("b."));
    // The first daemon's cgroup is above the second's.
    assert!(second.curl(&first).unwrap().starts_with("a."));
    assert!(lab.curl(&first).unwrap().starts_with("a."));
    lab.curl(&other).unwrap_err();
    // Neither touches what the other one started.
    assert_eq!(lab.tasks("/a").unwrap().len(), 1);
    second.sealane(&["app", "delete", "/b", "--wait"]).unwrap();
    second.curl(&other).unwrap_err();
    // Those of VIP ranges, which both have; those of blocks bear a protocol.
    let of_vips = || -> Vec<String> {
        let routes = unreachable(&lab).into_iter();
        routes.filter(|route| !route.contains("proto 94")).collect()
    };
    let routes = of_vips();
    assert!(routes.len() >= 2, "{routes:?}");
    second.end().unwrap();
    assert!(lab.curl(&first).unwrap().starts_with("a."));
    // Uninstalling one took the routes of both, which the other one notices.
    wait_for("the routes", SOON, || (of_vips() == routes).then_some(())).unwrap();
    assert_eq!(tables(&lab).len(), 1, "each has a table of its own");
}
