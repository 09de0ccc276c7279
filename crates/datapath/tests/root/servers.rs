//! Backends: threads that answer with their name.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

/// Serves TCP: the name and a line end to everyone, until they close.
pub(crate) fn serve_tcp(at: SocketAddr, name: &str) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let (address, name) = (listener.local_addr().unwrap(), format!("{name}\n"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let name = name.clone();
            thread::spawn(move || answer(stream.unwrap(), &name));
        }
    });
    address
}

/// Serves UDP: the name, a colon and the question to everyone.
pub(crate) fn serve_udp(at: SocketAddr, name: &str) -> SocketAddr {
    let socket = UdpSocket::bind(at).unwrap();
    let (address, name) = (socket.local_addr().unwrap(), name.to_owned());
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = String::from_utf8_lossy(&buffer[..length]);
            let _ = socket.send_to(format!("{name}:{question}").as_bytes(), from);
        }
    });
    address
}

/// Serves TCP: the name, a colon and the line to every line, until they close.
pub(crate) fn serve_echo(at: SocketAddr, name: &str) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let (address, name) = (listener.local_addr().unwrap(), name.to_owned());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (name, mut stream) = (name.clone(), stream.unwrap());
            thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                for line in lines.map_while(Result::ok) {
                    if stream
                        .write_all(format!("{name}:{line}\n").as_bytes())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Serves TCP: how many bytes came, and a line end, once that is all.
pub(crate) fn serve_sink(at: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let length = io::copy(&mut stream, &mut io::sink()).unwrap();
                stream.write_all(format!("{length}\n").as_bytes()).unwrap();
            });
        }
    });
    address
}

/// A port where nobody listens, held by nobody either.
pub(crate) fn deaf_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn answer(mut stream: TcpStream, name: &str) {
    let mut rest = [0; 64];
    if stream.write_all(name.as_bytes()).is_ok() {
        while stream.read(&mut rest).is_ok_and(|length| length > 0) {}
    }
}
