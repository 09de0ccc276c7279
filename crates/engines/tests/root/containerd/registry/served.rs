//! Debian's docker-registry on a host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use testlab::{Host, wait_for};

use crate::suite::SOON;

/// A registry that ends with this value.
pub(super) struct Registry {
    child: Mutex<Child>,
    /// Where it listens.
    pub(super) address: String,
}

impl Registry {
    /// Starts one on an address of the host; `settings` are further lines for its file.
    pub(super) fn start(host: &Host, address: &str, settings: &str) -> Self {
        let directory = host.directory().join("registry");
        fs::create_dir_all(&directory).unwrap();
        let (config, log) = (directory.join("config.yml"), directory.join("log"));
        let shown = directory.display();
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {shown}/data\n\
             http:\n  addr: {address}:0\n  secret: none\n{settings}"
        );
        fs::write(&config, text).unwrap();
        let output = fs::File::create(&log).unwrap();
        let child = host
            .command("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("docker-registry is installed");
        let found = wait_for("the registry to listen", SOON, || {
            listening(&fs::read_to_string(&log).unwrap_or_default())
        });
        let address = found.unwrap_or_else(|error| {
            panic!("{error}: {}", fs::read_to_string(&log).unwrap_or_default())
        });
        Self {
            child: Mutex::new(child),
            address,
        }
    }

    /// A reference to something in it.
    pub(super) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Copies an image within it, as Docker would have written it.
    pub(super) fn copy(&self, from: &str, to: &str) {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--format", "v2s2"]);
        skopeo.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
        skopeo.args([format!("docker://{from}"), format!("docker://{to}")]);
        output(&mut skopeo);
    }

    /// The digest of an image.
    pub(super) fn digest(&self, name: &str) -> String {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
        output(skopeo.arg(format!("docker://{name}")))
    }

    /// Writes an index that leads to the image with this digest, and for another machine
    /// to something that is not there.
    pub(super) fn put_index(&self, repository: &str, tag: &str, digest: &str) {
        let vendor = "application/vnd.docker.distribution.manifest";
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let size = output(
            Command::new("curl")
                .args(["--silent", "--fail", "--output", "/dev/null"])
                .args([
                    "--write-out",
                    "%{size_download}",
                    "--header",
                    &format!("Accept: {vendor}.v2+json"),
                    &format!("http://{}/v2/{repository}/manifests/{digest}", self.address),
                ]),
        );
        let index = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{vendor}.list.v2+json", "manifests": [
                {{"mediaType": "{vendor}.v2+json", "digest": "{digest}", "size": {size},
                    "platform": {{"os": "linux", "architecture": "{architecture}"}}}}]}}"#
        );
        output(
            Command::new("curl")
                .args(["--silent", "--fail", "--request", "PUT"])
                .args([
                    "--header",
                    &format!("Content-Type: {vendor}.list.v2+json"),
                    "--data-binary",
                    &index,
                    &format!("http://{}/v2/{repository}/manifests/{tag}", self.address),
                ]),
        );
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Settings of a registry that shows a certificate of its own for `address` and asks for
/// a password.
pub(super) fn with_tls_and_password(
    place: &Path,
    address: &str,
    user: &str,
    password: &str,
) -> String {
    let path = |name: &str| -> PathBuf { place.join(name) };
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=registry"]);
    openssl.args(["-addext", &format!("subjectAltName=IP:{address}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("cert.pem"));
    output(&mut openssl);
    let hash = output(Command::new("htpasswd").args(["-Bbn", user, password]));
    fs::write(path("htpasswd"), format!("{hash}\n")).unwrap();
    let shown = place.display();
    format!(
        "  tls:\n    certificate: {shown}/cert.pem\n    key: {shown}/key.pem\n\
         auth:\n  htpasswd:\n    realm: test\n    path: {shown}/htpasswd\n"
    )
}

/// base64 of a text.
pub(super) fn base64(text: &str) -> String {
    output(Command::new("sh").args(["-c", "printf %s \"$1\" | base64 -w0", "sh", text]))
}

/// The address in the line in which it says that it listens.
fn listening(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let address = rest.split([',', '"', ' ', '\n']).next()?;
    Some(address.to_owned())
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
