//! Fair use of what there is little of: some for all, fewer for each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Things that clients hold: connections, or queries under way.
///
/// Sources that may not ask share one entry (`None`): strangers together get no more
/// than one client does, so they cannot lock clients out.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    most_each: usize,
    held: Mutex<HashMap<Option<IpAddr>, usize>>,
}

/// One of them; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    client: Option<IpAddr>,
}

impl Shares {
    /// At most `most` at once, and `most_each` for one client.
    pub(crate) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_each,
            held: Mutex::default(),
        })
    }

    /// One more for `client`; `None` when there is no room.
    pub(crate) fn take(self: &Arc<Self>, client: Option<IpAddr>) -> Option<Share> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = held.get(&client).copied().unwrap_or(0);
        if mine >= self.most_each || held.values().sum::<usize>() >= self.most {
            return None;
        }
        held.insert(client, mine + 1);
        Some(Share {
            shares: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = self.shares.held.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = held.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                held.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_does_not_take_all() {
        let shares = Shares::new(40, 32);
        let client = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let held: Vec<_> = (0..32).map(|_| shares.take(client(1)).unwrap()).collect();
        assert!(shares.take(client(1)).is_none());
        let others: Vec<_> = (0..8).map(|_| shares.take(client(2)).unwrap()).collect();
        assert!(shares.take(client(3)).is_none(), "none is left for anybody");
        drop((held, others));
        assert!(shares.take(client(1)).is_some());
        assert!(shares.held.lock().unwrap().is_empty());
    }
}
