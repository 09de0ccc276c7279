//! The command line as a process: exit codes and streams.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn sealane() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealane"));
    command.env_remove("SEALANE_API");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = sealane().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The address of a port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn exit_codes_say_what_kind_of_problem_it_was() {
    let nobody = nobody();
    for (arguments, code, part) in [
        (vec!["--help"], 0, ""),
        (vec!["--version"], 0, ""),
        (vec![], 64, "Usage"),
        (vec!["app", "frobnicate"], 64, "unrecognized"),
        (vec!["app", "show", "Not/An/Id"], 64, "segment 'Not'"),
        (vec!["--api", "ftp://x", "status"], 64, "unix:///"),
        (
            vec!["app", "deploy", "/does/not/exist.json"],
            65,
            "/does/not/exist.json cannot be read",
        ),
        (
            vec!["--api", &nobody, "app", "list"],
            69,
            "help: start one with `sealane daemon`",
        ),
    ] {
        let (found, _, stderr) = run(&arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains(part),
            "{arguments:?}: {part} is not in {stderr}"
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = sealane()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn the_environment_names_the_daemon_and_json_is_json() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).unwrap();
        let body = r#"{"apps": []}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let output = sealane()
        .args(["app", "list", "-o", "json"])
        .env("SEALANE_API", format!("http://{address}"))
        .output()
        .unwrap();
    assert!(
        server
            .join()
            .unwrap()
            .starts_with("GET /v2/apps HTTP/1.1\r\n")
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"[]\n");
}

#[test]
fn a_definition_from_standard_input() {
    let mut child = sealane()
        .args(["app", "deploy", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"cmd\": \"true\"}")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(65));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "sealane: -: app 0: it has no 'id'; write one, or give --id\n"
    );
}
