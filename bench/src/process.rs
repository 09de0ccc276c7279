//! Running other programs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testlab::wait_for;

/// Nanoseconds of work between two looks at processes that do nothing.
const IDLE: u64 = 300_000;

/// A process that ends with this value at the latest.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        spawn(command.stdin(Stdio::null())).map(Self)
    }

    /// The first line that it prints; its standard output must be a pipe.
    pub(crate) fn first_line(&mut self) -> Result<String> {
        let output = self.0.stdout.as_mut().context("its output is no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Nanoseconds that its threads have had a core (`/proc/PID/task/TID/schedstat`);
    /// 0 where the kernel does not tell.
    pub(crate) fn busy(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id()));
        let threads = threads.into_iter().flatten().flatten();
        threads.filter_map(|thread| on_core(&thread.path())).sum()
    }

    /// Ends it at once and waits for that.
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process that is talked with, in lines of JSON on its standard input and output.
#[derive(Debug)]
pub(crate) struct Dialogue {
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    process: Running,
}

impl Dialogue {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let process = Running(child);
        Ok(Self {
            input,
            output: BufReader::new(output.context("its output is no pipe")?),
            process,
        })
    }

    /// Tells it something.
    pub(crate) fn say(&mut self, something: &impl Serialize) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{}", serde_json::to_string(something)?)?;
        input.flush().context("it does not listen")
    }

    /// Closes its input, which is how it learns that nothing more comes.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    /// Ends it at once, as `kill -9` does, and waits for that.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// What it says next.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("it said '{}'", line.trim()))
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn();
    child.with_context(|| format!("{program} could not be run; is it installed?"))
}

/// Waits until nobody works on what the last client left, which would be at the cost
/// of the next one: a proxy goes on for long.
pub(crate) fn settle(processes: &[&Running]) -> Result<()> {
    let mut before = None;
    wait_for("servers to be idle", Duration::from_secs(30), || {
        let now = processes.iter().map(|process| process.busy()).sum::<u64>();
        let idle = before
            .replace(now)
            .is_some_and(|before| now.saturating_sub(before) < IDLE);
        idle.then_some(())
    })
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "what happens meanwhile is measured"
)]
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// Nanoseconds that a thread has had a core, from its directory below `/proc`.
pub(crate) fn on_core(thread: &Path) -> Option<u64> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Runs a program to its end and returns what it printed, trimmed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let text = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{text} could not be run; is the program installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{text}: {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a part of this program to its end and returns the JSON that it printed.
///
/// Its errors go where ours go: what it starts in the background would keep a pipe
/// open.
pub(crate) fn report<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let text = format!("{command:?}");
    command.stderr(Stdio::inherit());
    let printed = output(command)?;
    serde_json::from_str(&printed).with_context(|| format!("{text} printed '{printed}'"))
}

/// Prints something for a [`Dialogue`] or [`report`].
pub(crate) fn tell(something: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::to_string(something)?)?;
    output.flush().context("nobody listens")
}

/// The file of this program.
pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("the path of this program is unknown")
}
