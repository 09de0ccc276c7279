use std::os::unix::fs::MetadataExt;

use super::*;

struct Bench {
    files: PluginFiles,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("sealane-cni"), "").unwrap();
        Self {
            files: PluginFiles {
                configs: root.join("net.d"),
                links: root.join("bin"),
                program: root.join("sealane-cni"),
                socket: root.join("cni.sock"),
            },
            _directory: directory,
        }
    }

    fn settle(&self, names: &[&str]) -> Vec<String> {
        self.files.settle(names.iter().copied(), |_| false)
    }

    /// Names of all files with configurations, in order.
    fn found(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.files.configs).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_configuration_for_each_network_and_no_more() {
    let bench = Bench::new();
    assert_eq!(bench.settle(&["lab", "a.b"]), [""; 0]);
    assert_eq!(bench.found(), ["a.b.conflist", "lab.conflist"]);
    let text = fs::read_to_string(bench.files.configs.join("lab.conflist")).unwrap();
    let socket = &bench.files.socket;
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "cniVersion": "0.4.0", "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
            "disableGC": true, "name": "lab",
            "plugins": [{
                "type": "sealane",
                "capabilities": {
                    "portMappings": true, "ips": true, "mac": true, "bandwidth": true,
                },
                "socket": socket,
            }],
        })
    );
    assert_eq!(
        fs::read_link(bench.files.links.join("sealane")).unwrap(),
        bench.files.program
    );
    // What is right is not written again, and what was changed is.
    let inode = || {
        fs::metadata(bench.files.configs.join("lab.conflist"))
            .unwrap()
            .ino()
    };
    let before = inode();
    bench.settle(&["lab", "a.b"]);
    assert_eq!(inode(), before);
    fs::write(bench.files.configs.join("lab.conflist"), "{}").unwrap();
    bench.settle(&["lab"]);
    let again = fs::read_to_string(bench.files.configs.join("lab.conflist")).unwrap();
    assert_eq!(again, text);
    assert_eq!(bench.found(), ["lab.conflist"]);
    assert_eq!(bench.settle(&[]), [""; 0]);
    assert_eq!(bench.found(), [""; 0]);
}

#[test]
fn files_of_others_stay() {
    let bench = Bench::new();
    let configs = &bench.files.configs;
    fs::create_dir_all(configs).unwrap();
    let ours = bench.files.configuration("kept");
    for (name, text) in [
        (
            "bridge.conflist",
            r#"{"name": "mesos-bridge", "plugins": [{"type": "bridge"}]}"#,
        ),
        ("broken.conflist", "{"),
        ("note.txt", ours.as_str()),
        ("kept.conflist", ours.as_str()),
    ] {
        fs::write(configs.join(name), text).unwrap();
    }
    // Whatever the file is called, the network counts.
    fs::write(
        configs.join("old.conflist"),
        bench.files.configuration("gone"),
    )
    .unwrap();
    assert_eq!(
        bench
            .files
            .settle(std::iter::empty(), |name| name == "kept"),
        [""; 0]
    );
    let left = [
        "bridge.conflist",
        "broken.conflist",
        "kept.conflist",
        "note.txt",
    ];
    assert_eq!(bench.found(), left);
}

#[test]
fn the_link_follows_the_program() {
    let mut bench = Bench::new();
    fs::create_dir_all(&bench.files.links).unwrap();
    std::os::unix::fs::symlink("/nowhere", bench.files.links.join("sealane")).unwrap();
    assert_eq!(bench.settle(&["lab"]), [""; 0]);
    let link = bench.files.links.join("sealane");
    assert_eq!(fs::read_link(&link).unwrap(), bench.files.program);
    bench.files.program = "/nowhere/sealane-cni".into();
    let problems = bench.settle(&["lab"]);
    assert!(
        problems[0].starts_with("/nowhere/sealane-cni is not there"),
        "{problems:?}"
    );
    assert_eq!(bench.settle(&[]), [""; 0], "nobody needs it");
}

#[test]
fn what_cannot_be_written_is_told() {
    let mut bench = Bench::new();
    bench.files.configs = bench.files.program.join("net.d");
    let problems = bench.settle(&["lab"]);
    assert!(
        problems[0].contains("lab.conflist cannot be written"),
        "{problems:?}"
    );
}
