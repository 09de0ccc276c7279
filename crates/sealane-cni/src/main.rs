//! The CNI plugin of Sealane's virtual networks.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use sealane_cni::{Failure, Invocation, MAX_BYTES, Refused, Version, code, exchange};
use serde_json::Value;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        return about();
    }
    let (printed, exit) = match run() {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(result)) => (result, ExitCode::SUCCESS),
        Err(refused) => (refused.to_value(), ExitCode::FAILURE),
    };
    match writeln!(io::stdout(), "{printed}") {
        Ok(()) => exit,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> Result<Option<Value>, Refused> {
    let invocation = Invocation::read(std::env::vars_os(), &stdin()?)?;
    let Some(request) = &invocation.request else {
        return Ok(Some(invocation.versions()));
    };
    let answer = exchange(&invocation.socket, request).map_err(|failure| Refused {
        version: invocation.version,
        failure,
    })?;
    invocation.conclude(answer)
}

fn stdin() -> Result<Vec<u8>, Refused> {
    let mut text = Vec::new();
    let failed = |code, msg: String| Refused {
        version: Version::NEWEST,
        failure: Failure::new(code, msg),
    };
    io::stdin()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| failed(code::IO, format!("standard input cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        let msg = format!("standard input has more than {MAX_BYTES} bytes");
        return Err(failed(code::DECODING, msg));
    }
    Ok(text)
}

/// What people who run it by hand are told; runtimes give it no arguments.
fn about() -> ExitCode {
    let known: Vec<String> = Version::RELEASED.iter().map(Version::to_string).collect();
    let said = writeln!(
        io::stdout(),
        "sealane-cni {}: the CNI plugin of Sealane's virtual networks, for container runtimes.\n\
         It speaks CNI {} by environment and standard input.",
        env!("CARGO_PKG_VERSION"),
        known.join(", ")
    );
    drop(said);
    ExitCode::SUCCESS
}
