use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

/// A host's files in a directory.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(site.root().join("etc")).unwrap();
        fs::create_dir_all(site.root().join("run")).unwrap();
        site
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn change(&self, force: bool) -> DnsChange {
        let root = self.root().to_owned();
        let place = DnsPlace { root };
        DnsChange { force, place }
    }

    fn enable(&self) -> Result<String, HostDnsError> {
        enable(&self.change(false))
    }

    fn disable(&self) -> Result<String, HostDnsError> {
        disable(&self.change(false))
    }

    fn status(&self) -> serde_json::Value {
        let mut out = Vec::new();
        let root = self.root().to_owned();
        status(&DnsPlace { root }, Format::Json, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    /// Everything that is there: files with their texts, links with their targets.
    fn everything(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut directories = vec![self.root().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                let what = if kind.is_symlink() {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                } else if kind.is_dir() {
                    directories.push(path.clone());
                    "directory".to_owned()
                } else {
                    fs::read_to_string(&path).unwrap()
                };
                found.push((path, what));
            }
        }
        found.sort();
        found
    }
}

const FORMER: &str = "# by hand\nsearch example.com\nnameserver 10.0.0.2\noptions ndots:2 rotate\n";
const KEPT: &str = "etc/resolv.conf.before-sealane";

#[test]
fn ours_first_and_all_back_to_the_letter() {
    let site = Site::new();
    site.put("etc/resolv.conf", FORMER);
    let path = site.root().join("etc/resolv.conf");
    let (before, inode) = (site.everything(), fs::metadata(&path).unwrap().ino());
    assert!(site.enable().unwrap().ends_with("through resolv.conf"));
    let text = site.text("etc/resolv.conf");
    let (_, body) = text.split_once('\n').unwrap();
    assert_eq!(
        body,
        "nameserver 198.51.100.1\n# by hand\nsearch example.com\nnameserver 10.0.0.2\n\
         options ndots:2\n"
    );
    assert_eq!(site.status()["way"], "resolv.conf");
    let enabled = site.everything();
    assert!(site.enable().unwrap().ends_with("already"));
    assert_eq!(site.everything(), enabled);
    site.disable().unwrap();
    assert_eq!(site.everything(), before);
    assert_eq!(
        fs::metadata(&path).unwrap().ino(),
        inode,
        "the very same file"
    );
    assert_eq!(site.disable().unwrap(), "nothing was enabled");
    assert_eq!(site.status()["enabled"], false);
}

#[test]
fn links_and_nothing_come_back_as_they_were() {
    for target in [Some("../run/real.conf"), Some("../run/not-there"), None] {
        let site = Site::new();
        site.put("run/real.conf", "nameserver 10.0.0.2\n");
        if let Some(target) = target {
            symlink(target, site.root().join("etc/resolv.conf")).unwrap();
        }
        let before = site.everything();
        site.enable().unwrap();
        assert_eq!(site.status()["enabled"], true, "{target:?}");
        let servers = site
            .text("etc/resolv.conf")
            .matches("nameserver 10.0.0.2")
            .count();
        assert_eq!(servers, usize::from(target == Some("../run/real.conf")));
        assert!(site.enable().unwrap().ends_with("already"));
        site.disable().unwrap();
        assert_eq!(site.everything(), before, "{target:?}");
    }
}

/// What is behind the former link may change: enabling again takes it over.
#[test]
fn enabling_again_follows_what_others_wrote() {
    let site = Site::new();
    site.put("run/real.conf", "nameserver 10.0.0.2\n");
    symlink("../run/real.conf", site.root().join("etc/resolv.conf")).unwrap();
    site.enable().unwrap();
    site.put("run/real.conf", "nameserver 10.0.0.3\n");
    assert!(site.enable().unwrap().ends_with("through resolv.conf"));
    assert!(site.text("etc/resolv.conf").contains("nameserver 10.0.0.3"));
}

#[test]
fn what_somebody_changed_meanwhile_is_left_alone() {
    // A line more in ours, another file altogether, and none.
    for edit in [true, false] {
        let site = Site::new();
        site.put("etc/resolv.conf", FORMER);
        site.enable().unwrap();
        let text = if edit {
            site.text("etc/resolv.conf") + "nameserver 10.0.0.9\n"
        } else {
            "nameserver 10.0.0.9\n".to_owned()
        };
        fs::remove_file(site.root().join("etc/resolv.conf")).unwrap();
        site.put("etc/resolv.conf", &text);
        let before = site.everything();
        for refused in [site.enable(), site.disable()] {
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains("--force") && error.contains("before-sealane"),
                "{error}"
            );
        }
        assert_eq!(site.everything(), before);
        let changed = site.status()["changed"].as_str().unwrap().to_owned();
        assert!(changed.ends_with("etc/resolv.conf"), "{changed}");
        enable(&site.change(true)).unwrap();
        let text = site.text("etc/resolv.conf");
        assert!(text.contains("nameserver 198.51.100.1\n"));
        // Theirs counts if it was a file of theirs.
        assert_eq!(text.contains("10.0.0.9"), !edit, "{text}");
        disable(&site.change(true)).unwrap();
        assert_eq!(
            site.text("etc/resolv.conf"),
            if edit {
                FORMER
            } else {
                "nameserver 10.0.0.9\n"
            }
        );
        assert!(!site.root().join(KEPT).exists());
    }
}

#[test]
fn an_attempt_that_was_cut_off_is_no_hindrance() {
    let site = Site::new();
    site.put("etc/resolv.conf", FORMER);
    let before = site.everything();
    let begin = || {
        let path = site.root().join("etc/resolv.conf");
        fs::hard_link(path, site.root().join(KEPT)).unwrap();
    };
    begin();
    assert_eq!(site.disable().unwrap(), "nothing was enabled");
    assert_eq!(site.everything(), before);
    begin();
    site.enable().unwrap();
    site.disable().unwrap();
    assert_eq!(site.everything(), before);
}

/// Two at once: one does it, and the others find it done.
#[test]
fn those_who_enable_at_once_keep_the_former_file() {
    let site = Site::new();
    site.put("etc/resolv.conf", FORMER);
    let before = site.everything();
    for _ in 0..20 {
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| site.enable())).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let already = |it: &Result<String, _>| it.as_ref().unwrap().ends_with("already");
        assert_eq!(all.iter().filter(|it| already(it)).count(), 3);
        assert_eq!(site.text(KEPT), FORMER);
        site.disable().unwrap();
        assert_eq!(site.everything(), before);
    }
}

/// Other users' programs read these files, whoever wrote them.
#[test]
fn all_may_read_what_is_written() {
    use nix::sys::stat::{Mode, umask};
    let site = with_resolved();
    let strict = umask(Mode::from_bits_truncate(0o077));
    let enabled = site.enable();
    umask(strict);
    enabled.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let drop_in = site.root().join(DROP_IN);
    assert_eq!(mode(&drop_in), 0o644);
    assert_eq!(mode(drop_in.parent().unwrap()), 0o755);
}

/// Forced, what is there is taken for the former one, since nothing else is left of it.
#[test]
fn the_only_copy_survives_force() {
    let lost = || {
        let site = Site::new();
        site.put("etc/resolv.conf", FORMER);
        site.enable().unwrap();
        let edited = site.text("etc/resolv.conf") + "nameserver 10.0.0.9\n";
        site.put("etc/resolv.conf", &edited);
        fs::remove_file(site.root().join(KEPT)).unwrap();
        assert!(site.enable().is_err() && site.disable().is_err());
        site
    };
    let left = "# by hand\nsearch example.com\nnameserver 10.0.0.2\noptions ndots:2\n\
                nameserver 10.0.0.9\n";
    let site = lost();
    disable(&site.change(true)).unwrap();
    assert_eq!(site.text("etc/resolv.conf"), left);
    let site = lost();
    enable(&site.change(true)).unwrap();
    assert_eq!(site.text(KEPT), left);
    site.disable().unwrap();
    assert_eq!(site.text("etc/resolv.conf"), left);

    // Somebody removed ours: what was kept is all that there is.
    let site = Site::new();
    site.put("etc/resolv.conf", FORMER);
    let before = site.everything();
    site.enable().unwrap();
    fs::remove_file(site.root().join("etc/resolv.conf")).unwrap();
    assert!(site.enable().is_err());
    enable(&site.change(true)).unwrap();
    assert!(site.text("etc/resolv.conf").contains("nameserver 10.0.0.2"));
    site.disable().unwrap();
    assert_eq!(site.everything(), before);

    // What cannot be read is not nothing.
    fs::remove_file(site.root().join("etc/resolv.conf")).unwrap();
    fs::create_dir(site.root().join("a-directory")).unwrap();
    symlink("../a-directory", site.root().join("etc/resolv.conf")).unwrap();
    let before = site.everything();
    assert!(matches!(site.enable(), Err(HostDnsError::File { .. })));
    assert_eq!(site.everything(), before);
}

#[test]
fn what_is_lost_is_said() {
    let site = Site::new();
    site.put("etc/resolv.conf", FORMER);
    site.enable().unwrap();
    fs::remove_file(site.root().join(KEPT)).unwrap();
    let error = site.disable().unwrap_err().to_string();
    assert!(error.contains("before-sealane is gone"), "{error}");
    disable(&site.change(true)).unwrap();
    let text = site.text("etc/resolv.conf");
    assert!(
        text.starts_with("# by hand\n") && text.contains("nameserver 10.0.0.2"),
        "{text}"
    );
    assert_eq!(site.status()["enabled"], false);
}

const DROP_IN: &str = "etc/systemd/resolved.conf.d/sealane.conf";

fn with_resolved() -> Site {
    let site = Site::new();
    site.put(
        "run/systemd/resolve/stub-resolv.conf",
        "nameserver 127.0.0.53\noptions edns0\n",
    );
    let path = site.root().join("etc/resolv.conf");
    symlink("../run/systemd/resolve/stub-resolv.conf", path).unwrap();
    fs::create_dir_all(site.root().join("etc/systemd")).unwrap();
    site
}

#[test]
fn systemd_resolved_is_told_our_names_and_nothing_else_changes() {
    let site = with_resolved();
    let before = site.everything();
    assert!(site.enable().unwrap().ends_with("through systemd-resolved"));
    assert!(site.text(DROP_IN).ends_with(
        "[Resolve]\nDNS=198.51.100.1\n\
         Domains=~thisdcos.directory ~thisdcos.global ~mesos ~spartan\n"
    ));
    assert_eq!(
        site.everything().len(),
        before.len() + 2,
        "the file and its directory"
    );
    assert_eq!(site.status()["way"], "systemd-resolved");
    assert!(site.enable().unwrap().ends_with("already"));
    site.disable().unwrap();
    assert_eq!(site.everything(), before);
}

#[test]
fn a_drop_in_that_somebody_changed_is_left_alone() {
    let site = with_resolved();
    site.enable().unwrap();
    site.put(DROP_IN, &(site.text(DROP_IN) + "DNSSEC=yes\n"));
    for refused in [site.enable(), site.disable()] {
        assert!(matches!(refused, Err(HostDnsError::Changed { .. })));
    }
    disable(&site.change(true)).unwrap();
    assert!(!site.root().join(DROP_IN).exists());
}

/// It may run and not be asked: then a drop-in would do nothing, or turn its own servers
/// into others.
#[test]
fn systemd_resolved_counts_if_programs_ask_it() {
    for (resolv_conf, expected) in [
        ("nameserver 127.0.0.53\n", true),
        ("nameserver 127.0.0.54\n", true),
        ("nameserver 10.0.0.2\n", false),
        ("nameserver 127.0.0.53\nnameserver 10.0.0.2\n", false),
        ("nameserver 127.0.0.53\nnameserver nonsense\n", false),
        ("", false),
    ] {
        let site = Site::new();
        site.put("etc/resolv.conf", resolv_conf);
        site.put("etc/nsswitch.conf", "hosts: files resolve dns\n");
        assert!(!resolved::resolves(site.root(), false), "it does not run");
        fs::create_dir_all(site.root().join("run/systemd/resolve")).unwrap();
        let found = resolved::resolves(site.root(), false);
        assert_eq!(found, expected, "{resolv_conf}");
    }
}

/// A drop-in's server makes those that count only without any go away.
#[test]
fn systemd_resolved_must_keep_other_servers() {
    for (list, problem) in [
        ("nameserver 198.51.100.1\nnameserver 10.0.0.2\n", None),
        ("nameserver 10.0.0.2\n", Some("does not list")),
        ("nameserver 198.51.100.1\n", Some("no server but")),
        ("", Some("does not list")),
    ] {
        match (resolved::lists(list), problem) {
            (Ok(()), None) => {}
            (Err(told), Some(problem)) => assert!(told.contains(problem), "{told}"),
            other => panic!("{list}: {other:?}"),
        }
    }
}
