//! A registry with one image that does everything wrong, one thing at a time.

mod image;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::json;

use self::image::{Image, digest};

const VENDOR: &str = "application/vnd.oci.image";
/// Where a response is cut off.
const HALF: usize = 300_000;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The manifest is not what its digest says.
    ManifestOther,
    /// A manifest of times past.
    SchemaOne,
    /// Something else than an image.
    Artifact,
    /// An image for another machine only.
    OtherMachine,
    /// An index that leads to itself, by its tag.
    Circle,
    /// A manifest without an end.
    Endless,
    /// No JSON at all.
    Page,
    /// The layer has other bytes.
    LayerOther,
    /// The layer is missing.
    LayerMissing,
    /// The layer goes on and on.
    LayerLonger,
    /// A layer of a kind that nobody unpacks.
    LayerKind,
    /// The layer is not the one that the configuration says it is.
    DiffOther,
    /// The configuration calls its layer by another snapshot's name.
    DiffName,
    /// Nobody may read.
    Forbidden,
    /// A token is asked for at an address that is none.
    TokenNowhere,
    /// The one who gives tokens refuses.
    TokenRefused,
    /// It fails always.
    Down,
    /// It fails twice.
    DownTwice,
    /// The layer's connection breaks in the middle, once.
    Breaks,
    /// As that, and later ones break at once, for all attempts of one pull.
    BreaksOften,
    /// As the first, and it knows no ranges.
    BreaksWithoutRanges,
    /// Only who has a token may read.
    Token,
    /// The layer waits in its middle.
    Waits,
}

/// Faults that no attempt overcomes, and what is told.
pub(super) const FAULTS: &[(Fault, &str)] = &[
    (
        Fault::ManifestOther,
        "sent a manifest that has the digest sha256:",
    ),
    (
        Fault::SchemaOne,
        "manifest.v1+prettyjws', which is not supported",
    ),
    (
        Fault::Artifact,
        "media type 'application/vnd.cncf.helm.config.v1+json'",
    ),
    (Fault::OtherMachine, "it has nothing for linux/"),
    (Fault::Circle, "without a sha256 digest"),
    (Fault::Endless, "answers with more than 4194304 bytes"),
    (Fault::Page, "it is of media type 'text/html'"),
    (
        Fault::LayerOther,
        "sent a layer or configuration that has the digest sha256:",
    ),
    (Fault::LayerMissing, "has no blobs/sha256:"),
    (Fault::LayerLonger, "sent more than the "),
    (
        Fault::LayerKind,
        "media type 'application/vnd.oci.image.layer.v1.tar+rar'",
    ),
    (
        Fault::DiffOther,
        "one of its layers does not unpack to sha256:",
    ),
    (
        Fault::DiffName,
        "names a layer 'sealane-appc-x', which is no sha256 digest",
    ),
    (
        Fault::Forbidden,
        "does not let anybody read a/b: requested access is denied",
    ),
    (Fault::TokenNowhere, "'nowhere' is no http or https address"),
    (Fault::TokenRefused, "does not let anybody read a/b"),
    (Fault::Down, "answers 503"),
];

/// Faults that pass.
pub(super) const PASSING: &[Fault] = &[
    Fault::DownTwice,
    Fault::Breaks,
    Fault::BreaksWithoutRanges,
    Fault::Token,
];

impl Fault {
    /// What must have been asked for on the way.
    pub(super) fn expect(self, asked: &[String]) {
        let has = |text: &str| {
            asked
                .iter()
                .any(|request| request.to_lowercase().contains(text))
        };
        match self {
            Self::Breaks | Self::BreaksWithoutRanges => assert!(has("range: bytes="), "{asked:?}"),
            Self::Token => assert!(has("authorization: bearer good"), "{asked:?}"),
            _ => {}
        }
    }
}

/// The registry; it lives as long as the test's process, in the background.
pub(super) struct Registry {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Fault,
    image: Image,
    asked: Mutex<Vec<String>>,
    go_on: (Mutex<bool>, Condvar),
}

impl Registry {
    pub(super) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            fault,
            image: image::make(fault),
            asked: Mutex::default(),
            go_on: Default::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// All requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Lets what waits go on.
    pub(super) fn go_on(&self) {
        *self.shared.go_on.0.lock().unwrap() = true;
        self.shared.go_on.1.notify_all();
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut request = [0; 8192];
        let length = stream.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let before = {
            let mut asked = self.asked.lock().unwrap();
            let same = asked
                .iter()
                .filter(|known| known.split(' ').nth(1) == Some(&path))
                .count();
            asked.push(request.clone());
            same
        };
        // Whoever hangs up in the middle has a reason.
        let _ = self.answer(&mut stream, &path, &request.to_lowercase(), before);
    }

    fn answer(
        &self,
        stream: &mut TcpStream,
        path: &str,
        request: &str,
        before: usize,
    ) -> std::io::Result<()> {
        let json = "application/json";
        let denied =
            br#"{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}"#;
        let realm =
            |realm: &str| format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\n");
        let host = stream.local_addr()?;
        match self.fault {
            Fault::Down => return whole(stream, "503 Service Unavailable", json, "", b"{}"),
            Fault::DownTwice if before < 2 => {
                return whole(stream, "502 Bad Gateway", json, "", b"");
            }
            Fault::Forbidden => return whole(stream, "403 Forbidden", json, "", denied),
            Fault::TokenNowhere => {
                return whole(stream, "401 Unauthorized", json, &realm("nowhere"), b"{}");
            }
            Fault::TokenRefused if path.starts_with("/token") => {
                return whole(stream, "403 Forbidden", json, "", denied);
            }
            Fault::Token if path.starts_with("/token") => {
                return whole(stream, "200 OK", json, "", br#"{"access_token": "good"}"#);
            }
            Fault::Token | Fault::TokenRefused
                if !request.contains("authorization: bearer good") =>
            {
                let header = realm(&format!("http://{host}/token"));
                return whole(stream, "401 Unauthorized", json, &header, b"{}");
            }
            _ => {}
        }
        if path.contains("/manifests/") {
            return self.manifest(stream, path);
        }
        let layer = format!("/v2/a/b/blobs/{}", digest(&self.image.layer));
        if path == layer {
            return self.layer(stream, request, before);
        }
        whole(
            stream,
            "200 OK",
            "application/octet-stream",
            "",
            &self.image.config,
        )
    }

    fn manifest(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
        let list = format!("{VENDOR}.index.v1+json");
        let leading_to = |architecture: &str, digest: &str| {
            let manifests = json!([{"mediaType": list, "digest": digest, "size": 1,
                "platform": {"os": "linux", "architecture": architecture}}]);
            json!({"schemaVersion": 2, "mediaType": list, "manifests": manifests}).to_string()
        };
        let here = if cfg!(target_arch = "x86_64") {
            "amd64"
        } else {
            "arm64"
        };
        let zeros = format!("sha256:{}", "0".repeat(64));
        match self.fault {
            Fault::ManifestOther if path.ends_with(":1") || path.ends_with("/1") => whole(
                stream,
                "200 OK",
                &list,
                "",
                leading_to(here, &zeros).as_bytes(),
            ),
            Fault::OtherMachine => whole(
                stream,
                "200 OK",
                &list,
                "",
                leading_to("pdp11", &zeros).as_bytes(),
            ),
            Fault::Circle => whole(
                stream,
                "200 OK",
                &list,
                "",
                leading_to(here, "1").as_bytes(),
            ),
            Fault::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 65536])?;
                }
            }
            Fault::Page => whole(stream, "200 OK", "text/html", "", b"<html>log in</html>"),
            Fault::SchemaOne => {
                let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
                whole(stream, "200 OK", kind, "", br#"{"schemaVersion": 1}"#)
            }
            _ => whole(
                stream,
                "200 OK",
                &format!("{VENDOR}.manifest.v1+json"),
                "",
                &self.image.manifest,
            ),
        }
    }

    fn layer(&self, stream: &mut TcpStream, request: &str, before: usize) -> std::io::Result<()> {
        let layer = &self.image.layer;
        let kind = "application/octet-stream";
        match self.fault {
            Fault::LayerMissing => whole(stream, "404 Not Found", "application/json", "", b"{}"),
            Fault::LayerOther => whole(stream, "200 OK", kind, "", &vec![7; layer.len()]),
            Fault::LayerLonger => whole(
                stream,
                "200 OK",
                kind,
                "",
                &[layer.as_slice(), b"more"].concat(),
            ),
            Fault::BreaksOften if (1..4).contains(&before) => Ok(()),
            Fault::Breaks | Fault::BreaksOften | Fault::BreaksWithoutRanges if before == 0 => {
                head(stream, "200 OK", kind, "", layer.len())?;
                stream.write_all(&layer[..layer.len() - HALF])
            }
            Fault::Waits if before == 0 => {
                head(stream, "200 OK", kind, "", layer.len())?;
                let (begin, end) = layer.split_at(layer.len() - HALF);
                stream.write_all(begin)?;
                let gone = self.go_on.0.lock().unwrap();
                drop(self.go_on.1.wait_while(gone, |gone| !*gone).unwrap());
                stream.write_all(end)
            }
            Fault::BreaksWithoutRanges => whole(stream, "200 OK", kind, "", layer),
            _ => match request
                .split("range: bytes=")
                .nth(1)
                .and_then(|it| it.split('-').next())
            {
                Some(from) => {
                    let from: usize = from.parse().unwrap();
                    whole(stream, "206 Partial Content", kind, "", &layer[from..])
                }
                None => whole(stream, "200 OK", kind, "", layer),
            },
        }
    }
}

fn head(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    more: &str,
    length: usize,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes())
}

fn whole(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    more: &str,
    body: &[u8],
) -> std::io::Result<()> {
    head(stream, status, kind, more, body.len())?;
    stream.write_all(body)
}
