use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::cli::fake::Fake;

#[tokio::test]
async fn marathons_two_kinds_of_details() {
    let fake = Fake::start(&[
        ("GET /a", 422, r#"{"message": "Object is not valid", "details": [
            {"path": "/cpus", "errors": ["error.min", "again"]}, {"path": "/id", "errors": ["x"]}]}"#),
        ("GET /b", 400, r#"{"message": "Invalid JSON", "details": "line 1"}"#),
        ("GET /c", 503, "not JSON at all"),
    ])
    .await;
    let client = fake.client().await;
    let failure = client.get("/a").await.unwrap_err();
    let Failure::Refused { problems, .. } = &failure else {
        panic!("{failure}")
    };
    let expected = [("/cpus", "error.min"), ("/cpus", "again"), ("/id", "x")]
        .map(|(path, problem)| (path.to_owned(), problem.to_owned()));
    assert_eq!(*problems, expected);
    assert_eq!(failure.exit_code(), 65);
    let failure = client.get("/b").await.unwrap_err();
    assert_eq!(
        (failure.to_string().as_str(), failure.exit_code()),
        ("Invalid JSON: line 1", 65)
    );
    let failure = client.get("/c").await.unwrap_err();
    assert_eq!(failure.exit_code(), 69);
    assert!(failure.to_string().contains("503"), "{failure}");
}

#[tokio::test]
async fn over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1000];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"GET /v1/status HTTP/1.1\r\n"));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .await
            .unwrap();
    });
    let client = Client::open(Some(Endpoint::Unix(path))).await;
    assert_eq!(
        client.get("/v1/status").await.unwrap(),
        serde_json::json!({})
    );
}

#[tokio::test]
async fn nobody_there() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(Some(Endpoint::Unix(folder.path().join("none")))).await;
    let failure = client.get("/v1/status").await.unwrap_err();
    assert_eq!(failure.exit_code(), 69);
    assert!(failure.to_string().contains("unix://"), "{failure}");
}
