//! The echo: a server for connections that stay.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use anyhow::Result;

use super::standing::Listening;
use super::talker::{CHUNK, MESSAGE};

/// What the echo is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    listening: Listening,
    /// Swallow everything and tell at the end how much it was
    #[arg(long)]
    sink: bool,
}

/// Prints the address that it listens on and serves until it is killed.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let listener = arguments.listening.tcp()?;
    let sink = arguments.sink;
    for stream in listener.incoming().flatten() {
        // A client that is gone wants nothing more.
        thread::spawn(move || {
            if sink {
                swallow(stream)
            } else {
                answer(stream)
            }
        });
    }
    Ok(())
}

/// Sends every message back.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    loop {
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
    }
}

/// Reads to the end and sends the number of bytes.
fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut total: u64 = 0;
    loop {
        match stream.read(&mut chunk)? {
            0 => break,
            read => total += read as u64,
        }
    }
    stream.write_all(&total.to_le_bytes())
}
