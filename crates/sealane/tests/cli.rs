//! The command line as a process: exit codes and streams.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

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

/// A daemon that answers a trace with one decision and then says nothing; yields its
/// address.
fn silent_tracer() -> String {
    const LINE: &str = r#"{"kind":"decision","at":"2026-01-01T10:20:30.400Z","how":"only","vip":{"address":"11.0.0.1","port":80,"protocol":"tcp"},"pid":1,"comm":"x"}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /v1/trace?every=1 "));
        let chunk = format!("{:x}\r\n{LINE}\n\r\n", LINE.len() + 1);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream
            .write_all((head.to_owned() + &chunk).as_bytes())
            .unwrap();
        // Until the client goes.
        drop(stream.read(&mut request));
    });
    format!("http://{address}")
}

/// A trace that has printed its heading and first line.
fn tracing() -> (Child, BufReader<ChildStdout>) {
    let mut child = sealane()
        .args(["--api", &silent_tracer(), "trace"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = String::new();
    while lines.lines().count() < 2 {
        assert!(output.read_line(&mut lines).unwrap() > 0, "{lines}");
    }
    (child, output)
}

#[test]
fn a_trace_ends_well_when_nobody_reads_it_any_more() {
    let (child, output) = tracing();
    // No line follows that could not be written.
    drop(output);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_trace_ends_well_when_it_is_interrupted() {
    let (child, output) = tracing();
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(killed.success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.is_empty(), "{ended:?}");
    drop(output);
}
