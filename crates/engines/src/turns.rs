//! One at a time for each name, and side by side for different ones.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Whose turn it is. Two tasks of one image that start together fetch it once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    names: Arc<std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>>,
}

impl Turns {
    /// Waits until nobody else is at `name`.
    pub(crate) async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|_, turn| turn.strong_count() > 0);
            let known = names.get(name).and_then(Weak::upgrade);
            let turn = known.unwrap_or_default();
            names.insert(name.to_owned(), Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        assert!(turns.take("a").now_or_never().is_none());
        assert!(
            turns.take("b").now_or_never().is_some(),
            "another name does not wait"
        );
        drop(first);
        assert!(turns.take("a").now_or_never().is_some());
        turns.take("c").await;
        assert!(
            turns.names.lock().unwrap().len() <= 1,
            "nothing is remembered for long"
        );
    }
}
