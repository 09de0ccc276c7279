use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::{Attachment, Del, Status};

fn del() -> Request {
    let attachment = Attachment {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
    };
    Request::Del(Del { attachment })
}

/// Asks a daemon that answers with these bytes; yields what it was sent, too.
fn asked(answer: &'static [u8]) -> (Result<Answer, Failure>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cni.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        let daemon = scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            stream.read_to_end(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            request
        });
        let answer = exchange(&path, &del());
        (answer, daemon.join().unwrap())
    })
}

#[test]
fn a_request_and_its_answer() {
    let (answer, request) = asked(br#""done""#);
    assert_eq!(answer, Ok(Answer::Done));
    assert_eq!(serde_json::from_slice::<Request>(&request).unwrap(), del());
    let (answer, _) = asked(br#"{"failed": {"code": 102, "msg": "full"}}"#);
    assert_eq!(answer, Ok(Answer::Failed(Failure::new(code::FULL, "full"))));
}

#[test]
fn answers_that_are_none() {
    let failure = asked(b"").0.unwrap_err();
    assert_eq!(failure.code, code::TRY_AGAIN);
    assert!(failure.msg.contains("ended before"), "{}", failure.msg);
    for half in [&br#"{"added": {"host_"#[..], b"[]", b"\xff"] {
        let failure = asked(half).0.unwrap_err();
        assert_eq!(failure.code, code::DECODING);
        assert!(failure.msg.contains("same version"), "{}", failure.msg);
    }
}

#[test]
fn a_daemon_that_is_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cni.sock");
    let failure = exchange(&path, &del()).unwrap_err();
    assert_eq!(failure.code, code::TRY_AGAIN);
    assert!(failure.msg.contains("start it with"), "{}", failure.msg);
    // A socket that a killed daemon left.
    drop(UnixListener::bind(&path).unwrap());
    let failure = exchange(&path, &del()).unwrap_err();
    assert_eq!(failure.code, code::TRY_AGAIN);
    let status = Request::Status(Status {
        network: "dcos".to_owned(),
    });
    let failure = exchange(&path, &status).unwrap_err();
    assert_eq!(failure.code, code::NOT_AVAILABLE);
}
