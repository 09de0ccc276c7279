//! The program as a runtime runs it.
#![allow(clippy::unwrap_used, reason = "what fails here is a test's failure")]

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn plugin(variables: &[(&str, &str)], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealane-cni"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses early need not read all.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

const ADD: [(&str, &str); 4] = [
    ("CNI_COMMAND", "ADD"),
    ("CNI_CONTAINERID", "web.1"),
    ("CNI_IFNAME", "eth0"),
    ("CNI_NETNS", "/run/netns/web"),
];

#[test]
fn versions() {
    let output = plugin(&[("CNI_COMMAND", "VERSION")], br#"{"cniVersion": "1.0.0"}"#);
    assert!(output.status.success());
    assert_eq!(printed(&output)["cniVersion"], "1.0.0");
    assert_eq!(
        printed(&output)["supportedVersions"][6],
        "1.1.0",
        "{output:?}"
    );
}

#[test]
fn an_error_is_printed_and_is_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("cni.sock");
    let config = json!({"cniVersion": "0.4.0", "name": "dcos", "socket": socket}).to_string();
    let output = plugin(&ADD, config.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let error = printed(&output);
    assert_eq!(
        (&error["cniVersion"], &error["code"]),
        (&json!("0.4.0"), &json!(11))
    );
    assert!(
        error["msg"].as_str().unwrap().contains("start it with"),
        "{error}"
    );
    let output = plugin(&[], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(printed(&output)["code"], 4);
}

#[test]
fn too_much_input_is_refused() {
    let output = plugin(&ADD, &vec![b' '; (4 << 20) + 1]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(printed(&output)["code"], 6);
}

#[test]
fn a_result_is_printed_once() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("cni.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let config = json!({"cniVersion": "0.3.1", "name": "dcos", "socket": socket}).to_string();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            let answer = json!({"added": {"host_interface": "sealane00000001",
                "mac": "02:00:00:00:00:01", "mtu": 1500, "addresses": ["9.0.0.5/32"],
                "gateways": ["169.254.1.1"], "routes": ["0.0.0.0/0"]}});
            stream.write_all(answer.to_string().as_bytes()).unwrap();
        });
        plugin(&ADD, config.as_bytes())
    });
    assert!(output.status.success(), "{output:?}");
    let result = printed(&output);
    assert_eq!(result["ips"][0]["address"], "9.0.0.5/32");
    assert_eq!(result["ips"][0]["version"], "4");
    assert_eq!(result["interfaces"][1]["sandbox"], "/run/netns/web");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn people_are_told_what_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_sealane-cni"))
        .arg("--version")
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("CNI") && said.contains("1.1.0"), "{said}");
}
