//! Hosts and their engines, as root.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use testlab::{Host, Lan, wait_for};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn commands_run_in_the_hosts_network_and_cgroup() {
    let host = Host::new("where").unwrap();
    let run = |program: &str, args: &[&str]| {
        let out = host.command(program).args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert!(run("cat", &["/proc/self/cgroup"]).contains(&host.cgroup_parent()));
    assert!(run("ip", &["-4", "addr"]).contains(&host.address().to_string()));
    assert!(run("ip", &["route", "get", "192.0.2.9"]).contains("via 10.99.1.254"));
}

#[test]
fn a_host_takes_everything_along_when_it_goes() {
    let host = Host::new("gone").unwrap();
    let (netns, cgroup) = (host.netns_path(), host.cgroup().to_owned());
    let directory = host.directory().to_owned();
    let mut child = host.command("sleep").arg("1000").spawn().unwrap();
    assert!(netns.exists() && cgroup.exists() && directory.exists());
    drop(host);
    assert!(!child.wait().unwrap().success(), "killed");
    assert!(!netns.exists() && !cgroup.exists() && !directory.exists());
}

#[test]
fn hosts_on_one_link_reach_each_other() {
    let lan = Lan::new().unwrap();
    let (one, two) = (
        Host::on(&lan, "one").unwrap(),
        Host::on(&lan, "two").unwrap(),
    );
    let listener = two
        .inside(|| TcpListener::bind((two.address(), 0)))
        .unwrap()
        .unwrap();
    let address = listener.local_addr().unwrap();
    wait_for("a connection", SOON, || {
        one.inside(|| TcpStream::connect(address)).unwrap().ok()
    })
    .unwrap();
    let listener = two
        .inside(|| TcpListener::bind((two.address6(), 0)))
        .unwrap()
        .unwrap();
    let address = listener.local_addr().unwrap();
    one.inside(|| TcpStream::connect(address)).unwrap().unwrap();
}

#[test]
fn what_a_killed_run_left_is_removed() {
    // A mark of a process that cannot be: process ids end at 2^22.
    let name = "4194399-1-0-left";
    let netns = format!("sl-{name}");
    let added = std::process::Command::new("ip")
        .args(["netns", "add", &netns])
        .status()
        .unwrap();
    assert!(added.success());
    let host = Host::new("here").unwrap();
    let cgroup = host.cgroup().with_file_name(format!("sealane-test-{name}"));
    std::fs::create_dir_all(cgroup.join("processes")).unwrap();
    testlab::janitor().unwrap();
    assert!(!cgroup.exists());
    assert!(!host.netns_path().with_file_name(netns).exists());
    assert!(
        host.netns_path().exists() && host.cgroup().exists(),
        "living hosts stay"
    );
}

#[test]
fn dockerd_runs_containers_in_the_hosts_network_and_cgroup() {
    let host = Host::new("docker").unwrap();
    let docker = host.dockerd().unwrap();
    host.import_busybox(&docker, "busybox:test").unwrap();
    let cgroup = docker
        .docker(&[
            "run",
            "--rm",
            "--network=host",
            "busybox:test",
            "cat",
            "/proc/self/cgroup",
        ])
        .unwrap();
    assert!(cgroup.contains(&host.cgroup_parent()), "{cgroup}");
    let serve = "echo hello | nc -l -p 80";
    docker
        .docker(&[
            "run",
            "-d",
            "-p",
            "8080:80",
            "--name=web",
            "busybox:test",
            "sh",
            "-c",
            serve,
        ])
        .unwrap();
    let text = wait_for("an answer at the published port", SOON, || {
        let mut text = String::new();
        let mut stream = host
            .inside(|| TcpStream::connect((host.address(), 8080)))
            .unwrap()
            .ok()?;
        stream.read_to_string(&mut text).ok()?;
        (!text.is_empty()).then_some(text)
    });
    assert_eq!(text.unwrap(), "hello\n");
    let directory = host.directory().to_owned();
    drop(docker);
    assert_eq!(
        std::fs::read_dir(&directory).unwrap().count(),
        0,
        "nothing is left of it"
    );
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(directory.to_str().unwrap()), "{mounts}");
}

#[test]
fn a_crashed_dockerd_comes_back_with_its_containers() {
    let host = Host::new("crash").unwrap();
    let mut docker = host.dockerd_with(&["--live-restore"]).unwrap();
    docker.import_busybox("busybox:test").unwrap();
    docker
        .docker(&["run", "-d", "--name=stays", "busybox:test", "sleep", "1000"])
        .unwrap();
    let pid = ["inspect", "--format={{.State.Pid}}", "stays"];
    let before = docker.docker(&pid).unwrap();
    docker.crash().unwrap();
    assert!(docker.docker(&["ps"]).is_err(), "it is gone");
    docker.restart(&host).unwrap();
    assert_eq!(docker.docker(&pid).unwrap(), before);
}

#[test]
fn a_dockerd_that_cannot_start_shows_its_log() {
    let host = Host::new("bad").unwrap();
    let error = host
        .dockerd_with(&["--storage-driver=nonsense"])
        .unwrap_err();
    assert!(format!("{error:#}").contains("nonsense"), "{error:#}");
}

#[test]
fn display_is_a_command_that_enters() {
    let host = Host::new("enter").unwrap();
    let command = host
        .to_string()
        .replace("exec bash", "exec cat /proc/self/cgroup");
    let out = std::process::Command::new("sh")
        .args(["-c", &command])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).contains(&host.cgroup_parent()));
}
