//! What can be typed.

mod dns;
mod group;
mod network;
mod vip;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::{AppId, TaskId};

use super::endpoint::Endpoint;
use crate::daemon;
pub(super) use dns::{DnsChange, DnsCommand, DnsPlace};
pub(super) use group::{GroupCommand, Why as GroupPair};
pub(super) use network::{Create as CreateNetwork, NetworkCommand};
pub(super) use vip::{Explain, Trace, VipCommand};

/// Container networking with named VIPs.
///
/// Runs Marathon app definitions on Docker and containerd and gives each service a
/// name and a virtual IP that spreads connections over its instances.
#[derive(Debug, Parser)]
#[command(name = "sealane", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  sealane doctor                               can this host run Sealane?
  sealane daemon                               serve this host
  sealane app deploy shop.json --wait          deploy, and wait until it runs
  sealane network list                         networks that containers can join
  sealane vip show shop                        its VIP and who is behind it
  sealane vip explain shop:80                  what a new connection would get, and why

Exit codes: 0 done, 64 usage, 65 bad data, 69 daemon not reachable, 77 no permission, 1 other.";

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Where the daemon's API is: unix:///path/to/api.sock or http://host:port
    ///
    /// Without it, unix:///run/sealane/api.sock if something answers there, else
    /// http://127.0.0.1:8080.
    #[arg(long, global = true, env = "SEALANE_API", value_name = "URL")]
    pub(super) api: Option<Endpoint>,

    /// How to print: a table for people, JSON for programs
    #[arg(long, short, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub(super) output: Format,
}

/// What the commands need that work on this host without a daemon.
#[derive(Debug, Args)]
pub(crate) struct Daemonless {
    /// The daemon's configuration file, as for `sealane daemon`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The daemon's state directory, as for `sealane daemon`
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl Daemonless {
    /// The same as the daemon would get them.
    pub(super) fn into_daemon(self) -> daemon::Arguments {
        daemon::Arguments {
            config: self.config,
            state_dir: self.state_dir,
            api_listen: None,
            print_config: false,
        }
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run this node's daemon
    Daemon(daemon::Arguments),
    /// Deploy, look at and change apps
    #[command(subcommand)]
    App(AppCommand),
    /// Look at tasks: the instances of apps
    #[command(subcommand)]
    Task(TaskCommand),
    /// Make, look at and delete virtual networks
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Look at groups: which containers may talk to each other
    #[command(subcommand)]
    Group(GroupCommand),
    /// Look at virtual IPs
    #[command(subcommand)]
    Vip(VipCommand),
    /// Have this host's own programs find names, or not
    #[command(subcommand)]
    Dns(DnsCommand),
    /// Watch which backends clients of VIPs get
    Trace(Trace),
    /// Show how the node and its parts are
    #[command(after_help = "Example:\n  sealane status -o json | jq .")]
    Status,
    /// Check whether this host can run Sealane, and say what to do if not
    #[command(after_help = "Example:\n  sudo sealane doctor")]
    Doctor(Daemonless),
    /// Take programs, maps and routes of a stopped daemon out of the kernel
    ///
    /// Containers go on running without VIPs, and the state directory stays.
    #[command(after_help = "Example:\n  sudo sealane uninstall")]
    Uninstall(Daemonless),
    /// Write a completion script for a shell
    #[command(after_help = "Example:\n  sealane completions bash > /etc/bash_completion.d/sealane")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Commands on apps.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Create apps, or change them to exactly what the files say
    #[command(after_help = "Examples:
  sealane app deploy shop.json --wait
  sealane app deploy shop.json --id /test/shop
  jq '.instances = 3' shop.json | sealane app deploy -

A file holds one app, a list of apps, or {\"apps\": [...]}, in any form that Marathon takes.
An app that exists is replaced by the definition; its instances are replaced as its
upgradeStrategy says.")]
    Deploy(Deploy),
    /// List all apps
    #[command(after_help = "Example:\n  sealane app list")]
    List,
    /// Show one app: its state, why it waits, its last failure, its tasks
    #[command(after_help = "Example:\n  sealane app show /shop/cart")]
    Show {
        /// The app, such as /shop/cart or shop/cart
        #[arg(value_parser = app_id)]
        id: AppId,
    },
    /// Change the number of instances
    #[command(after_help = "Example:\n  sealane app scale shop 3 --wait")]
    Scale {
        /// The app
        #[arg(value_parser = app_id)]
        id: AppId,
        /// Wanted instances
        instances: u32,
        #[command(flatten)]
        change: Change,
    },
    /// Replace all instances by new ones
    #[command(after_help = "Example:\n  sealane app restart shop --wait")]
    Restart {
        /// The app
        #[arg(value_parser = app_id)]
        id: AppId,
        #[command(flatten)]
        change: Change,
    },
    /// Delete the app and end its instances, whatever change of it is under way
    #[command(after_help = "Example:\n  sealane app delete shop --wait")]
    Delete {
        /// The app
        #[arg(value_parser = app_id)]
        id: AppId,
        #[command(flatten)]
        wait: Wait,
    },
}

/// `app deploy`.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Files with app definitions; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Deploy the one app under this id instead of its own
    #[arg(long, value_parser = app_id, value_name = "ID")]
    pub(super) id: Option<AppId>,

    #[command(flatten)]
    pub(super) change: Change,
}

/// How a change is made.
#[derive(Debug, Clone, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(super) wait: Wait,

    /// Replace a change of the same app that is still under way
    #[arg(long)]
    pub(super) force: bool,
}

/// Whether to wait for a change.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wait {
    /// Wait until the change is true, and show what it waits for
    #[arg(long)]
    pub(super) wait: bool,

    /// How long to wait, such as 90s, 5m or 1h; then exit with 1 and the reason
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "10m", requires = "wait")]
    pub(super) timeout: Duration,
}

/// Commands on tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List tasks
    #[command(after_help = "Example:\n  sealane task list --app shop")]
    List {
        /// Only the tasks of this app
        #[arg(long, value_parser = app_id, value_name = "ID")]
        app: Option<AppId>,
    },
    /// Print what a task wrote
    #[command(after_help = "Examples:
  sealane task logs shop.instance-4f...-d2._app.1 --tail 100
  sealane task logs shop --follow              the app's only task")]
    Logs(Logs),
    /// Show what went through the link of a task with isolated ports
    ///
    /// Those are the tasks of apps with the label sealane.ports=isolate.
    #[command(after_help = "Example:\n  sealane task stats shop -o json | jq .net_tx_bytes")]
    Stats {
        /// The task's id, the beginning of one, or an app with a single task
        task: String,
    },
}

/// `task logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The task's id, the beginning of one, or an app with a single task
    pub(super) task: String,

    /// What it wrote to standard error instead of standard output
    #[arg(long)]
    pub(super) stderr: bool,

    /// Only this many lines from the end
    #[arg(long, value_name = "LINES")]
    pub(super) tail: Option<u32>,

    /// Go on printing until interrupted
    #[arg(long, short)]
    pub(super) follow: bool,
}

fn app_id(text: &str) -> Result<AppId, model::AppIdError> {
    AppId::resolve(text)
}

/// Whether `text` can be a task id or the beginning of one.
pub(super) fn is_task_id(text: &str) -> bool {
    text.parse::<TaskId>().is_ok()
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.strip_suffix(['s', 'm', 'h']) {
        None => (text, 1),
        Some(number) if text.ends_with('s') => (number, 1),
        Some(number) if text.ends_with('m') => (number, 60),
        Some(number) => (number, 3600),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "give a whole number with s, m or h, such as 90s".to_owned())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200)] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for bad in [
            "",
            "m",
            "1.5h",
            "-1",
            "99999999999999999999",
            "9999999999999999h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command) {
            let leaf = command.get_subcommands().next().is_none();
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                !leaf || help.contains("sealane "),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }

    #[test]
    fn every_shell_completes_every_command() {
        use clap_complete::Shell;
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "sealane", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["explain", "trace", "from", "every"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
        }
    }

    #[test]
    fn ids_are_resolved() {
        let parsed = Arguments::try_parse_from(["sealane", "app", "scale", "shop/cart/", "3"]);
        let Command::App(AppCommand::Scale { id, instances, .. }) = parsed.unwrap().command else {
            panic!()
        };
        assert_eq!((id.as_str(), instances), ("/shop/cart", 3));
        assert!(Arguments::try_parse_from(["sealane", "app", "show", "Shop"]).is_err());
    }
}
