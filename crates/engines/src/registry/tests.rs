//! Who is told credentials.

use std::net::SocketAddr;

use serde_json::json;

use super::*;
use crate::fetch::tests::server;

fn challenge(realm: SocketAddr) -> String {
    let way = format!("WWW-Authenticate: Bearer realm=\"http://{realm}/token\",service=\"s\"");
    format!("HTTP/1.1 401 Unauthorized\r\n{way}\r\nContent-Length: 0\r\n\r\n")
}

/// A repository of the registry at this address, for which there are credentials.
fn repository(registry: SocketAddr, directory: &tempfile::TempDir) -> Repository {
    let entry = json!({"username": "ann", "password": "pw"});
    let file = directory.path().join("config.json");
    let text = json!({"auths": {registry.to_string(): entry}}).to_string();
    std::fs::write(&file, text).unwrap();
    let name = RegistryName::new(&format!("{registry}/a:1"), &[]).unwrap();
    Repository::new(name, Fetcher::default(), Some(file))
}

#[tokio::test]
async fn a_registry_says_where_tokens_are_given() {
    let directory = tempfile::tempdir().unwrap();
    let (realm, seen) = server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into());
    let (registry, _) = server(challenge(realm));
    let error = repository(registry, &directory)
        .document("1")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not let ann read a"),
        "{error}"
    );
    assert!(seen.recv().unwrap().contains("authorization: basic"));
}

#[tokio::test]
async fn nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let (realm, seen) = server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into());
    let (storage, asked) = server(challenge(realm));
    let (registry, _) = server(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{storage}/x\r\nContent-Length: 0\r\n\r\n"
    ));
    let error = repository(registry, &directory)
        .document("1")
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorised { .. }),
        "{error}"
    );
    assert!(asked.recv().unwrap().starts_with("get /x "));
    assert!(seen.try_recv().is_err(), "the realm was not asked");
}
