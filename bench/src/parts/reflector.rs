//! The reflector: a server that sends every datagram back.

use anyhow::{Context, Result};

use super::standing::Listening;

/// What the reflector is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    listening: Listening,
}

/// Prints the address that it listens on and serves until it is killed.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let socket = arguments.listening.udp()?;
    let mut message = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut message).context("receiving")?;
        let answer = message.get(..length).unwrap_or_default();
        // A client that is gone wants no answer.
        let _ = socket.send_to(answer, from);
    }
}
