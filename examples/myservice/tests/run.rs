//! The program as a task runs it.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Program {
    child: Child,
    ports: Vec<u16>,
}

impl Program {
    fn start(prepare: impl FnOnce(&mut Command) -> usize) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_myservice"));
        command.env("MESOS_TASK_ID", "web.1").stdout(Stdio::piped());
        let expected = prepare(&mut command);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ports = lines
            .take(expected)
            .map(|line| line.unwrap().rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        Self { child, ports }
    }

    fn connect(&self, index: usize) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.ports[index])).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn fetch(&self, path: &str) -> String {
        let mut stream = self.connect(0);
        write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn http_lines_and_datagrams() {
    let program = Program::start(|command| {
        command.env("PORT0", "0").env("PORT1", "0").env("UDP", "1");
        2
    });
    let [first, second] = program.ports[..] else {
        panic!("{:?}", program.ports)
    };
    assert!(
        program
            .fetch("/")
            .ends_with(&format!("\r\n\r\nweb.1 {first}\n"))
    );
    assert!(program.fetch("/health").ends_with("\r\n\r\nok\n"));
    let mut stream = program.connect(1);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..2 {
        stream.write_all(b"hello\n").unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, format!("web.1 {second}\n"));
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket.send_to(b"?", ("127.0.0.1", second)).unwrap();
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], *format!("web.1 {second}\n").as_bytes());
}

#[test]
fn one_connection_serves_many_requests() {
    let program = Program::start(|command| {
        command.arg("0").env("PORT0", "not used");
        1
    });
    let mut stream = program.connect(0);
    for _ in 0..3 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(format!("web.1 {}\n", program.ports[0]).as_bytes()) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            bytes.push(byte[0]);
        }
    }
}

#[test]
fn a_stream_goes_on_until_sigterm_ends_the_program() {
    let mut program = Program::start(|command| {
        command.arg("0");
        1
    });
    let mut stream = program.connect(0);
    stream.write_all(b"GET /stream HTTP/1.1\r\n\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let numbered = lines
        .filter(|line| line.contains("web.1"))
        .take(2)
        .collect::<Vec<_>>();
    let port = program.ports[0];
    assert_eq!(
        numbered,
        [format!("1 web.1 {port}"), format!("2 web.1 {port}")]
    );
    kill(
        Pid::from_raw(program.child.id().cast_signed()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn says_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_myservice"))
        .env_remove("PORT0")
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("PORT0"));
}
