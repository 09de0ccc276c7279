//! The conversation with the daemon.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::{Answer, Failure, MAX_BYTES, Request, code};

/// How long an answer may take: less than what runtimes give a plugin, so that they
/// see this error and not a killed process.
const PATIENCE: Duration = Duration::from_secs(50);

/// Asks the daemon.
///
/// # Errors
/// [`code::TRY_AGAIN`] when it is not there, ends meanwhile or takes too long; what it
/// did until then is undone by DEL, or is found and completed by the next ADD.
pub fn exchange(socket: &Path, request: &Request) -> Result<Answer, Failure> {
    let away = |error: io::Error| absent(socket, request, &error);
    let mut stream = UnixStream::connect(socket).map_err(away)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(away)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(away)?;
    let text = serde_json::to_vec(request)
        .map_err(|error| Failure::new(code::INTERNAL, format!("no request: {error}")))?;
    let sent = stream
        .write_all(&text)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let read = stream.take(MAX_BYTES).read_to_end(&mut answer);
    // A daemon that refuses early answers without reading all, so its answer counts
    // also when sending failed.
    match serde_json::from_slice(&answer) {
        Ok(answer) => Ok(answer),
        Err(error) => Err(match sent.and(read) {
            Err(error) => lost(socket, &error),
            Ok(0) => lost(socket, &io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Failure::new(
                code::DECODING,
                format!(
                    "the daemon at {} answered what this plugin does not understand; install \
                     sealane and sealane-cni of the same version",
                    socket.display()
                ),
            )
            .because(error.to_string()),
        }),
    }
}

/// Nobody answers at the socket. STATUS has a code of its own for it: containers
/// cannot be added, and living ones keep what they have.
fn absent(socket: &Path, request: &Request, error: &io::Error) -> Failure {
    let place = socket.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let msg = format!("the daemon's socket {place} may not be used; run as root");
        return Failure::new(code::IO, msg).because(error.to_string());
    }
    let code = match request {
        Request::Status(_) => code::NOT_AVAILABLE,
        _ => code::TRY_AGAIN,
    };
    let msg = format!(
        "the node's Sealane daemon does not listen on {place}; start it with `systemctl start \
         sealane` or `sealane daemon`, then try again"
    );
    Failure::new(code, msg).because(error.to_string())
}

fn lost(socket: &Path, error: &io::Error) -> Failure {
    let slow = matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    );
    let what = if slow {
        format!("did not answer within {} s", PATIENCE.as_secs())
    } else {
        "ended before it answered".to_owned()
    };
    let msg = format!(
        "the node's Sealane daemon at {} {what}; try again",
        socket.display()
    );
    Failure::new(code::TRY_AGAIN, msg).because(error.to_string())
}

#[cfg(test)]
mod tests;
