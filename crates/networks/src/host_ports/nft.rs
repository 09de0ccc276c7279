//! Running `nft`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::listing::Listing;
use crate::NetworkError;

/// How long nft may take; it waits for nobody, but may have much to write.
const LIMIT: Duration = Duration::from_secs(30);

/// The program, and our table.
#[derive(Debug, Clone)]
pub(super) struct Nft {
    pub(super) program: PathBuf,
    pub(super) table: String,
}

impl Nft {
    /// The table as it is; none if it is not there.
    pub(super) async fn list(&self) -> Result<Option<Listing>, NetworkError> {
        let arguments = ["-j", "list", "table", "inet", &self.table];
        let output = self.run(&arguments, "").await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return match said.contains("No such file or directory") {
                true => Ok(None),
                false => Err(self.failed(&arguments, &output)),
            };
        }
        match Listing::read(&output.stdout) {
            Ok(listing) if listing.sign.is_none() => Err(NetworkError::ForeignTable {
                table: self.table.clone(),
            }),
            Ok(listing) => Ok(Some(listing)),
            Err(detail) => Err(NetworkError::Firewall {
                command: self.line(&arguments),
                detail: format!("its output makes no sense: {detail}"),
            }),
        }
    }

    /// Runs a script as one transaction: all of it or nothing.
    pub(super) async fn write(&self, script: &str) -> Result<(), NetworkError> {
        let arguments = ["-f", "-"];
        let output = self.run(&arguments, script).await?;
        if output.status.success() {
            return Ok(());
        }
        tracing::debug!(script, "nft refused this");
        Err(self.failed(&arguments, &output))
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Result<Output, NetworkError> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .kill_on_drop(true);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => NetworkError::NoNft {
                program: self.program.clone(),
            },
            _ => self.broken(arguments, &error.to_string()),
        })?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that ends without reading says why on its own.
                drop(stdin.write_all(input.as_bytes()).await);
            }
        };
        let whole = async { tokio::join!(feed, child.wait_with_output()).1 };
        match tokio::time::timeout(LIMIT, whole).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(self.broken(arguments, &error.to_string())),
            Err(_) => {
                let detail = format!("it did not end within {} s", LIMIT.as_secs());
                Err(self.broken(arguments, &detail))
            }
        }
    }

    fn failed(&self, arguments: &[&str], output: &Output) -> NetworkError {
        let said = String::from_utf8_lossy(&output.stderr);
        // nft repeats the whole line that it does not like; the first one says why.
        let first = said.lines().next().unwrap_or_default().trim();
        self.broken(arguments, &format!("{}: {first}", output.status))
    }

    fn broken(&self, arguments: &[&str], detail: &str) -> NetworkError {
        NetworkError::Firewall {
            command: self.line(arguments),
            detail: detail.to_owned(),
        }
    }

    fn line(&self, arguments: &[&str]) -> String {
        format!("{} {}", self.program.display(), arguments.join(" "))
    }
}
