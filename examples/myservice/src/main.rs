//! A small server that answers which instance it is: the example application.
//!
//! It listens on the ports given as arguments, else on those in `PORT0`, `PORT1` and
//! so on, which is how Marathon tells a task its host ports. (Inside a bridged
//! container those are somebody else's; an image gives its own as arguments.)
//!
//! - `GET /` answers `<instance> <port>`, `GET /health` answers `ok`, `GET /from` the
//!   client's address as it is seen here.
//! - `GET /stream` sends a numbered line every second for as long as the client
//!   stays: an open connection to watch while instances come and go.
//! - Anything but HTTP gets `<instance> <port>` for each line, for use with `nc`.
//! - With `UDP=1`, each datagram gets the same text.
//!
//! The instance is `MESOS_TASK_ID`, else the host's name. SIGTERM ends it with code
//! 0, also as the first process of a container, where the default action of a
//! signal is to do nothing.

mod connection;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // Blocked before any thread starts, so that only the wait below sees them.
    let endings: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    let outcome = endings
        .thread_block()
        .map_err(io::Error::from)
        .and_then(|()| start())
        .and_then(|()| endings.wait().map_err(io::Error::from));
    match outcome {
        Ok(signal) => {
            say(&format!("ending on {signal}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("myservice: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a thread for every port.
fn start() -> io::Result<()> {
    let instance: Arc<str> = instance().into();
    let datagrams = env::var("UDP").is_ok_and(|value| value == "1");
    for port in ports()? {
        let named = |error| io::Error::other(format!("cannot listen on port {port}: {error}"));
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            // Hosts without IPv6.
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
            .map_err(named)?;
        let port = listener.local_addr()?.port();
        if datagrams {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))
                .or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)))
                .map_err(named)?;
            let text = format!("{instance} {port}\n");
            thread::spawn(move || echo(&socket, text.as_bytes()));
        }
        say(&format!("{instance} listens on port {port}"));
        let instance = Arc::clone(&instance);
        thread::spawn(move || accept(&listener, &instance, port));
    }
    Ok(())
}

/// Writes a line to the log. That nobody reads it must not end a server.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The ports to listen on; at least one.
fn ports() -> io::Result<Vec<u16>> {
    let mut words: Vec<String> = env::args().skip(1).collect();
    if words.is_empty() {
        words = (0..)
            .map_while(|index| env::var(format!("PORT{index}")).ok())
            .collect();
    }
    if words.is_empty() {
        return Err(io::Error::other(
            "give ports as arguments or in PORT0, PORT1 and so on",
        ));
    }
    let parse = |word: &String| {
        word.parse()
            .map_err(|_| io::Error::other(format!("'{word}' is not a port, 0 to 65535")))
    };
    words.iter().map(parse).collect()
}

fn instance() -> String {
    let host = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = env::var("MESOS_TASK_ID").unwrap_or_else(|_| host());
    name.trim().to_owned()
}

/// A thread for each connection: the plainest server there is.
fn accept(listener: &TcpListener, instance: &Arc<str>, port: u16) {
    for stream in listener.incoming().flatten() {
        let text = format!("{instance} {port}\n");
        // Without a thread the connection is closed, and the client tries again.
        let _ = thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || connection::serve(stream, &text));
    }
}

fn echo(socket: &UdpSocket, text: &[u8]) {
    let mut buffer = [0; 2048];
    loop {
        if let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            // A client that is gone is no reason to stop.
            let _ = socket.send_to(text, peer);
        }
    }
}
