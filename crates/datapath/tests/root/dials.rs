//! Many connects one after the other, and where they went.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::socket::{Shutdown, shutdown};

use crate::calls::Call;
use crate::lab::Client;
use crate::orders::{Order, Reply, Tally};

impl Client {
    /// Connects, reads the name and closes, so many times.
    pub(crate) fn dial_often(&mut self, to: SocketAddr, count: u32) -> Tally {
        match self.ask(&Order::Dial { to, count }) {
            Ok(Reply::Tally(tally)) => tally,
            other => panic!("{other:?}"),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&mut self) -> u32 {
        let thread = self.number(Call::ThreadId);
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap();
        let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        group.unwrap().trim().parse().unwrap()
    }
}

impl Tally {
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// A backend that can be closed and opened again at its address: connects are refused
/// meanwhile, and what was connected stays.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    name: String,
    open: Option<TcpListener>,
    guests: Arc<Mutex<Vec<TcpStream>>>,
}

impl Shop {
    pub(crate) fn new(name: &str) -> Self {
        let mut shop = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            name: name.to_owned(),
            open: None,
            guests: Arc::default(),
        };
        shop.open();
        shop
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn open(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.address = listener.local_addr().unwrap();
        self.open = Some(listener.try_clone().unwrap());
        let (name, guests) = (format!("{}\n", self.name), Arc::clone(&self.guests));
        thread::spawn(move || {
            // Shutting the listener down ends this, and closes it.
            while let Ok((mut guest, _)) = listener.accept() {
                let _ = guest.write_all(name.as_bytes());
                let mut guests = guests.lock().unwrap();
                // The older ones have long been served.
                if guests.len() > 64 {
                    guests.drain(..32);
                }
                guests.push(guest);
            }
        });
    }

    pub(crate) fn close(&mut self) {
        if let Some(listener) = self.open.take() {
            shutdown(listener.as_raw_fd(), Shutdown::Both).unwrap();
        }
        // The thread's own copy goes with it, and only then is the port free.
        crate::lab::eventually("the listener is closed", || {
            TcpStream::connect(self.address).is_err()
        });
    }
}

/// How far counts are from what probabilities lead to expect.
pub(crate) fn chi_square(counts: &BTreeMap<String, u64>, expected: &[(&str, f64)]) -> f64 {
    let all: u64 = counts.values().sum();
    let known: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    assert!(
        counts.keys().all(|name| known.contains(&name.as_str())),
        "{counts:?}"
    );
    expected
        .iter()
        .map(|(name, probability)| {
            let found = counts.get(*name).copied().unwrap_or_default() as f64;
            let wanted = all as f64 * probability;
            match wanted {
                0.0 => assert_eq!(found, 0.0, "{name} of {counts:?}"),
                _ => return (found - wanted).powi(2) / wanted,
            }
            0.0
        })
        .sum()
}
