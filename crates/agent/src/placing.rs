//! Asking for the places of containers before anybody relies on them.
//!
//! A container on a network is told apart by its namespace, which is known only once
//! it runs. It must not count as running before its place is in force: whoever waits
//! for that may have it connect to a VIP at once.

use std::time::Duration;

use tokio::sync::watch;

/// How long a new container waits for its place. Engines that hang, or a datapath
/// that fails, must not keep tasks from running; the next round catches up.
const LIMIT: Duration = Duration::from_secs(1);

/// Where workers ask; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Placing {
    asked: watch::Sender<u64>,
    done: watch::Receiver<u64>,
}

/// Where the reconciler of places is asked, and answers.
#[derive(Debug)]
pub(crate) struct Asked {
    asked: watch::Receiver<u64>,
    done: watch::Sender<u64>,
}

/// Both ends.
pub(crate) fn placing() -> (Placing, Asked) {
    let (asker, asked) = watch::channel(0);
    let (answerer, done) = watch::channel(0);
    let placing = Placing { asked: asker, done };
    let asked = Asked {
        asked,
        done: answerer,
    };
    (placing, asked)
}

impl Placing {
    /// Returns when a round that began after this call has ended, or after [`LIMIT`].
    pub(crate) async fn now(&self) {
        let mut turn = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            turn = *asked;
        });
        let mut done = self.done.clone();
        let in_force = done.wait_for(|done| *done >= turn);
        drop(tokio::time::timeout(LIMIT, in_force).await);
    }
}

impl Asked {
    /// The turn that a round beginning now will answer.
    pub(crate) fn turn(&mut self) -> u64 {
        *self.asked.borrow_and_update()
    }

    /// Returns when somebody asked after the last [`Asked::turn`].
    pub(crate) async fn again(&mut self) {
        if self.asked.changed().await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }

    /// The round of this turn has ended.
    pub(crate) fn answer(&self, turn: u64) {
        self.done.send_replace(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_round_that_began_later_answers() {
        let (placing, mut asked) = placing();
        let early = asked.turn();
        let waiting = tokio::spawn(async move { placing.now().await });
        asked.again().await;
        asked.answer(early);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let turn = asked.turn();
        asked.answer(turn);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let (placing, asked) = placing();
        placing.now().await;
        drop(asked);
        placing.now().await;
    }
}
