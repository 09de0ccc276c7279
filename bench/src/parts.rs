//! What this program runs of itself: clients and servers.
//!
//! They are processes, since a process is what stands in a cgroup and so what eBPF
//! programs see. A server prints its address; a client prints what it did, as JSON.

pub(crate) mod acceptor;
pub(crate) mod asker;
pub(crate) mod connector;
pub(crate) mod crowd;
pub(crate) mod echo;
pub(crate) mod gate;
pub(crate) mod holder;
pub(crate) mod namer;
pub(crate) mod pacer;
pub(crate) mod reflector;
pub(crate) mod sender;
mod standing;
pub(crate) mod starter;
pub(crate) mod talker;
mod tally;
mod worker;

use anyhow::Result;
use clap::Subcommand;

/// A part and what it is told.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Accepts connections and counts them
    #[command(hide = true)]
    Acceptor(acceptor::Arguments),
    /// Asks for names at a steady pace
    #[command(hide = true)]
    Asker(asker::Arguments),
    /// Connects, again and again
    #[command(hide = true)]
    Connector(connector::Arguments),
    /// Many clients at once that wait for answers
    #[command(hide = true)]
    Crowd(crowd::Arguments),
    /// Answers or swallows what established connections bring
    #[command(hide = true)]
    Echo(echo::Arguments),
    /// An app's server that falls ill and dies when it is told to
    #[command(hide = true)]
    Gate(gate::Arguments),
    /// Holds a datapath and applies tables
    #[command(hide = true)]
    Holder(holder::Arguments),
    /// Serves names
    #[command(hide = true)]
    Namer(namer::Arguments),
    /// Connects at a steady pace
    #[command(hide = true)]
    Pacer(pacer::Arguments),
    /// Answers datagrams
    #[command(hide = true)]
    Reflector(reflector::Arguments),
    /// Sends datagrams and waits for their answers
    #[command(hide = true)]
    Sender(sender::Arguments),
    /// Starts a service and waits for its first answer
    #[command(hide = true)]
    Starter(starter::Arguments),
    /// Talks through one established connection
    #[command(hide = true)]
    Talker(talker::Arguments),
    /// Serves slowly, a few at a time
    #[command(hide = true)]
    Worker(worker::Arguments),
}

impl Part {
    /// Does what the part does.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Acceptor(arguments) => acceptor::run(arguments),
            Self::Asker(arguments) => asker::run(arguments),
            Self::Connector(arguments) => connector::run(arguments),
            Self::Crowd(arguments) => crowd::run(arguments),
            Self::Echo(arguments) => echo::run(arguments),
            Self::Gate(arguments) => gate::run(arguments),
            Self::Holder(arguments) => holder::run(arguments),
            Self::Namer(arguments) => namer::run(arguments),
            Self::Pacer(arguments) => pacer::run(arguments),
            Self::Reflector(arguments) => reflector::run(arguments),
            Self::Sender(arguments) => sender::run(arguments),
            Self::Starter(arguments) => starter::run(arguments),
            Self::Talker(arguments) => talker::run(arguments),
            Self::Worker(arguments) => worker::run(arguments),
        }
    }
}
