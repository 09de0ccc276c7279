//! The crate graph keeps the invariants of ARCHITECTURE.md.
#![allow(
    clippy::unwrap_used,
    reason = "a workspace that cannot be read is a test's failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Direct dependencies by package, without those for tests and builds.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

#[test]
fn pure_crates_do_no_io() {
    const PURE: [&str; 5] = [
        "sealane-mesos",
        "sealane-model",
        "sealane-vip",
        "sealane-marathon",
        "sealane-schedule",
    ];
    let graph = dependencies();
    for pure in PURE {
        for dependency in &graph[pure] {
            let ours = dependency.starts_with("sealane-");
            assert!(
                !ours || PURE.contains(&dependency.as_str()),
                "{pure} uses {dependency}"
            );
            let io = ["tokio", "hyper", "axum", "nix", "libc", "reqwest", "redb"];
            assert!(
                !io.contains(&dependency.as_str()),
                "{pure} uses {dependency}"
            );
        }
    }
}

#[test]
fn the_parts_of_the_daemon_do_not_know_each_other() {
    let graph = dependencies();
    const PARTS: [&str; 4] = [
        "sealane-agent",
        "sealane-leader",
        "sealane-api",
        "sealane-docker-plugin",
    ];
    for part in PARTS {
        for other in PARTS.iter().chain(&["sealane"]) {
            assert!(!graph[part].contains(*other), "{part} uses {other}");
        }
    }
}

#[test]
fn each_system_has_one_crate_that_speaks_to_it() {
    for (library, owners) in [
        // Programs of their own each, and no maps in common.
        ("libbpf-rs", &["sealane-datapath", "sealane-isolation"][..]),
        ("rtnetlink", &["sealane-netlink"]),
        ("netlink-packet-route", &["sealane-netlink"]),
        ("redb", &["sealane-store"]),
        ("bollard", &["sealane-engines"]),
        ("containerd-client", &["sealane-engines"]),
    ] {
        for (package, dependencies) in dependencies() {
            assert!(
                owners.contains(&package.as_str()) || !dependencies.contains(library),
                "{package} uses {library}"
            );
        }
    }
}

#[test]
fn unsafe_code_is_in_three_crates() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in std::fs::read_dir(crates).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let library = std::fs::read_to_string(path.join("src/lib.rs")).unwrap_or_default();
        let allows = library.contains("allow(unsafe_code)");
        assert!(
            !allows || ["datapath", "netlink", "testlab"].contains(&name.as_str()),
            "{name}"
        );
        let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} has lints of its own"
        );
    }
}
