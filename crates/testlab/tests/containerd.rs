//! A host's containerd.

mod root {
    use testlab::Host;

    #[test]
    fn containerd_lives_and_dies_with_its_host() {
        let host = Host::new("native").unwrap();
        let containerd = host.containerd().unwrap();
        containerd.import_busybox("localhost/busybox:test").unwrap();
        let cgroup = format!("{}/one", host.cgroup_parent());
        let run = ["run", "--snapshotter=native", "--cgroup", &cgroup];
        let image = ["localhost/busybox:test"];
        let said =
            containerd.ctr(&[&run[..], &["--rm"], &image, &["pong", "echo", "pong"]].concat());
        assert_eq!(said.unwrap(), "pong");

        containerd
            .ctr(&[&run[..], &["--detach"], &image, &["one", "sleep", "1000"]].concat())
            .unwrap();
        let tasks = containerd.ctr(&["tasks", "list"]).unwrap();
        let line = tasks.lines().find(|line| line.starts_with("one")).unwrap();
        let pid = line.split_whitespace().nth(1).unwrap();
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(cgroups.contains(&format!("0::{cgroup}\n")), "{cgroups}");

        containerd.restart(&host).unwrap();
        assert!(
            containerd
                .ctr(&["tasks", "list"])
                .unwrap()
                .contains("RUNNING")
        );
        let socket = containerd.socket();
        drop(containerd);
        assert!(!socket.exists() && !std::fs::exists(format!("/proc/{pid}")).unwrap());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(host.directory().to_str().unwrap()),
            "{mounts}"
        );
    }
}
