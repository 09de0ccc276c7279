//! The client process: this test binary again, in another cgroup. It takes orders, a
//! line each, and answers with a line.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

/// Names the unix socket on which a client takes its orders.
pub(super) const SOCKET: &str = "SEALANE_AGENT_CLIENT";

/// Longer than the first SYN waits before it is sent again.
const PATIENCE: Duration = Duration::from_millis(1_500);

#[test]
#[ignore = "other tests start it as their client process"]
fn process() {
    let Some(path) = std::env::var_os(SOCKET) else {
        return;
    };
    let orders = UnixStream::connect(path).unwrap();
    let mut replies = orders.try_clone().unwrap();
    let mut held = Vec::new();
    for line in BufReader::new(orders).lines() {
        let line = line.unwrap();
        let (verb, rest) = line.split_once(' ').unwrap();
        let reply = match verb {
            "dial" => dial(rest),
            "hold" => {
                held.push(TcpStream::connect(rest).unwrap());
                "held".to_owned()
            }
            "broken" => held
                .iter()
                .filter(|stream| is_broken(stream))
                .count()
                .to_string(),
            "run" => run(rest),
            other => panic!("an order '{other}'"),
        };
        writeln!(replies, "{reply}").unwrap();
    }
}

fn dial(rest: &str) -> String {
    let (to, count) = rest.split_once(' ').unwrap();
    let to = to.parse().unwrap();
    let count: u32 = count.parse().unwrap();
    let answered = (0..count).filter(|_| answers(to).is_ok()).count() as u32;
    format!("{answered} {}", count - answered)
}

fn answers(to: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_exact(&mut [0])
}

fn is_broken(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    read.map_err(|error| error.kind()) != Err(ErrorKind::WouldBlock)
}

fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).replace('\n', " ");
    format!("{} {text}", output.status.code().unwrap_or(-1))
}
