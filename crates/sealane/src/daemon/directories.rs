//! Where a daemon keeps its things.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};

use super::Config;

/// The directories of one daemon, locked against a second one.
#[derive(Debug)]
pub(super) struct Directories {
    /// Everything that must survive.
    pub(super) state: PathBuf,
    /// Sockets and namespaces, which a reboot takes.
    pub(super) run: PathBuf,
    /// Pins of the datapath, on a bpf filesystem.
    pub(super) pins: PathBuf,
    /// Name of the nftables table.
    pub(super) table: String,
    /// Identity of the state, on containers of this daemon.
    pub(super) owner: String,
    /// Held as long as the daemon runs.
    _lock: Flock<fs::File>,
}

fn is_standard(config: &Config) -> bool {
    config.state_dir == Config::default().state_dir
}

fn run(config: &Config) -> PathBuf {
    match is_standard(config) {
        true => PathBuf::from("/run/sealane"),
        false => config.state_dir.join("run"),
    }
}

/// The unix socket of the API of a daemon with this configuration.
pub(crate) fn socket(config: &Config) -> PathBuf {
    match config.api.socket.as_os_str().is_empty() {
        true => run(config).join("api.sock"),
        false => config.api.socket.clone(),
    }
}

impl Directories {
    /// Makes what is missing and takes the lock.
    pub(super) fn prepare(config: &Config) -> anyhow::Result<Self> {
        let state = config.state_dir.clone();
        make(&state, PASSABLE)?;
        let lock = lock(&state)?;
        let (standard, run) = (is_standard(config), run(config));
        make(&run, PASSABLE)?;
        make(&state.join("engine"), PASSABLE)?;
        for name in ["store", "logs", "cni"] {
            make(&state.join(name), PRIVATE)?;
        }
        let owner = owner(&state)?;
        // What daemons on one host have in the kernel must not be each other's.
        let table = if standard {
            "sealane".to_owned()
        } else {
            format!("sealane-{owner}")
        };
        let pins = if config.datapath.pins.as_os_str().is_empty() {
            Path::new("/sys/fs/bpf").join(&table)
        } else {
            config.datapath.pins.clone()
        };
        Ok(Self {
            state,
            run,
            pins,
            table,
            owner,
            _lock: lock,
        })
    }

    /// The embedded store's file.
    pub(super) fn store(&self) -> PathBuf {
        self.state.join("store").join("store.redb")
    }

    /// Networks of native containers, and what CNI runtimes read of virtual ones.
    pub(super) fn networks(&self) -> PathBuf {
        self.state.join("cni")
    }

    /// CNI plugins that are the daemon's own.
    pub(super) fn plugins(&self) -> PathBuf {
        self.state.join("cni-bin")
    }

    /// Where the CNI plugin calls the daemon.
    pub(super) fn cni_socket(&self) -> PathBuf {
        self.run.join("cni.sock")
    }

    /// Kept logs of tasks.
    pub(super) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }
}

/// Tasks that run as other users have their working directories below.
const PASSABLE: u32 = 0o711;

/// What tasks print, and their environment in the store, is not for everybody.
const PRIVATE: u32 = 0o700;

fn make(directory: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .with_context(|| format!("directory {} cannot be made", directory.display()))
}

fn lock(state: &Path) -> anyhow::Result<Flock<fs::File>> {
    let path = state.join("lock");
    let file = fs::File::create(&path)
        .with_context(|| format!("lock file {} cannot be made", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => bail!(
            "another daemon uses {}; stop it, or give this one a --state-dir, --api-listen, \
             cgroup, node.ports and CNI bridge of its own",
            state.display()
        ),
        Err((_, error)) => bail!("{} cannot be locked: {error}", path.display()),
    }
}

/// Reads the identity of the state, making it the first time.
fn owner(state: &Path) -> anyhow::Result<String> {
    let path = state.join("owner");
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            let owner: String = uuid::Uuid::new_v4()
                .simple()
                .to_string()
                .chars()
                .take(12)
                .collect();
            fs::write(&path, &owner)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(owner)
        }
    }
}
