//! One run of one plugin: environment, standard input, limits, outcome.
//!
//! A plugin is somebody else's program that runs as root. It may hang, flood us,
//! print rubbish or leave processes behind, and none of this may hold up more than
//! its own container. It runs in a process group of its own, so that what it
//! started dies with it when its time is over. What leaves the group, as daemons do,
//! lives on, but is not waited for beyond the limit either.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::CniError;

/// What a plugin may print to standard output: a result is some hundred bytes.
const MAX_STDOUT: usize = 1 << 20;
/// How much of the end of its standard error is kept for messages.
const KEPT_STDERR: usize = 4 << 10;
/// How much of its output a message quotes.
const QUOTED: usize = 300;
/// How often, and how far apart, starting is tried while the program's file is
/// still open for writing, as happens while plugins are being installed.
const BUSY_TRIES: u32 = 25;
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// How long pipes that a plugin left open are listened to after its end.
const GRACE: Duration = Duration::from_millis(100);
/// How long a killed plugin may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(2);
/// `PATH` of plugins when we have none ourselves.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A run of a plugin.
pub(crate) struct Run<'a> {
    /// Its type, for messages.
    pub(crate) plugin: &'a str,
    /// Its program.
    pub(crate) path: &'a Path,
    /// `ADD` and the like.
    pub(crate) verb: &'static str,
    /// The CNI_ variables.
    pub(crate) env: &'a [(&'static str, String)],
    /// Its configuration.
    pub(crate) stdin: &'a [u8],
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// The program of a plugin: the first file of that name in the directories.
pub(crate) fn locate(plugin: &str, directories: &[PathBuf]) -> Result<PathBuf, CniError> {
    let mut candidates = directories.iter().map(|directory| directory.join(plugin));
    candidates
        .find(|path| path.is_file())
        .ok_or_else(|| CniError::PluginMissing {
            plugin: plugin.to_owned(),
            dirs: directories.to_vec(),
        })
}

impl Run<'_> {
    /// Runs the plugin and returns what it printed, once it ended well.
    pub(crate) async fn output(&self) -> Result<Vec<u8>, CniError> {
        let mut child = self.start().await?;
        // Declared after the child, so that it is dropped, and kills, before the
        // child is given up; until then nobody reaps it, so its id cannot be reused.
        let mut group = Group(child.id());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let ended = timeout(
            self.limit,
            self.converse(&mut child, &mut stdout, &mut stderr),
        )
        .await;
        let error = match ended {
            Ok(Ok(status)) => {
                group.0 = None;
                return self.judge(status, stdout, &stderr);
            }
            Ok(Err(error)) => error,
            Err(_) => CniError::Timeout {
                plugin: self.plugin.to_owned(),
                verb: self.verb,
                seconds: self.limit.as_secs_f64(),
                stderr: quote_end(&stderr),
            },
        };
        drop(group);
        // What undoes this plugin's work must not start while it still works. A
        // process stuck in the kernel is not waited for longer than this.
        let _ = timeout(KILL_WAIT, child.wait()).await;
        Err(error)
    }

    async fn start(&self) -> Result<Child, CniError> {
        let mut tries = 0;
        loop {
            let error = match self.command(self.path, None).spawn() {
                Ok(child) => return Ok(child),
                Err(error) => error,
            };
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ETXTBSY) if tries < BUSY_TRIES => {
                    tries += 1;
                    sleep(BUSY_PAUSE).await;
                }
                // A script whose first line is no `#!`: Mesos ran those by the shell.
                Some(Errno::ENOEXEC) if is_text(self.path) => {
                    let mut shell = self.command(Path::new("/bin/sh"), Some(self.path));
                    return shell.spawn().map_err(|source| self.spawn_error(source));
                }
                _ => return Err(self.spawn_error(error)),
            }
        }
    }

    fn spawn_error(&self, source: io::Error) -> CniError {
        CniError::Spawn {
            path: self.path.to_owned(),
            source,
        }
    }

    fn command(&self, program: &Path, script: Option<&Path>) -> Command {
        let mut command = Command::new(program);
        command
            .args(script)
            .env_clear()
            .env(
                "PATH",
                std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()),
            )
            .envs(self.env.iter().map(|(key, value)| (*key, value.as_str())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    /// Feeds the plugin and listens to it until it closed its output and ended.
    ///
    /// What it leaves running may keep its input and its standard error; those are
    /// given up shortly after its end. Who keeps its standard output is waited for, to
    /// the limit, since there may be more of the result to come.
    async fn converse(
        &self,
        child: &mut Child,
        stdout: &mut Vec<u8>,
        stderr: &mut Vec<u8>,
    ) -> Result<ExitStatus, CniError> {
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ended = Notify::new();
        let result = async {
            self.read_all(out, stdout).await?;
            let status = child.wait().await.map_err(|error| self.pipe_error(error))?;
            ended.notify_one();
            Ok(status)
        };
        let beside = async {
            let given_up = async {
                ended.notified().await;
                sleep(GRACE).await;
            };
            tokio::select! {
                both = async { tokio::try_join!(self.feed(stdin), self.read_end(err, stderr)) } => both.map(|_| ()),
                () = given_up => Ok(()),
            }
        };
        let (status, ()) = tokio::try_join!(result, beside)?;
        Ok(status)
    }

    async fn feed(&self, to: Option<impl AsyncWrite + Unpin>) -> Result<(), CniError> {
        let Some(mut to) = to else { return Ok(()) };
        match to.write_all(self.stdin).await {
            // Not every plugin reads its configuration at every command.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(self.pipe_error(error)),
            _ => Ok(()),
        }
    }

    async fn read_all(
        &self,
        from: Option<impl AsyncRead + Unpin>,
        to: &mut Vec<u8>,
    ) -> Result<(), CniError> {
        let Some(from) = from else { return Ok(()) };
        let mut limited = from.take(MAX_STDOUT as u64 + 1);
        limited
            .read_to_end(to)
            .await
            .map_err(|error| self.pipe_error(error))?;
        if to.len() <= MAX_STDOUT {
            return Ok(());
        }
        let plugin = self.plugin.to_owned();
        Err(CniError::TooMuchOutput {
            plugin,
            verb: self.verb,
            limit: MAX_STDOUT,
        })
    }

    async fn read_end(
        &self,
        from: Option<impl AsyncRead + Unpin>,
        to: &mut Vec<u8>,
    ) -> Result<(), CniError> {
        let Some(mut from) = from else { return Ok(()) };
        let mut piece = vec![0; KEPT_STDERR];
        loop {
            let count = from
                .read(&mut piece)
                .await
                .map_err(|error| self.pipe_error(error))?;
            if count == 0 {
                return Ok(());
            }
            to.extend_from_slice(piece.get(..count).unwrap_or_default());
            let surplus = to.len().saturating_sub(KEPT_STDERR);
            to.drain(..surplus);
        }
    }

    fn pipe_error(&self, source: io::Error) -> CniError {
        CniError::Pipe {
            plugin: self.plugin.to_owned(),
            verb: self.verb,
            source,
        }
    }

    fn judge(&self, status: ExitStatus, out: Vec<u8>, err: &[u8]) -> Result<Vec<u8>, CniError> {
        if let Some(error) = self.reported(&out) {
            return Err(error);
        }
        if status.success() {
            return Ok(out);
        }
        let output = [quote_end(err), quote_end(&out)].join(" ");
        let plugin = self.plugin.to_owned();
        Err(CniError::Exit {
            plugin,
            verb: self.verb,
            status: status.to_string(),
            output,
        })
    }

    /// The error that the plugin printed, if it is one: an object with `code` and
    /// `msg`. It counts whatever the exit code is; scripts forget theirs.
    fn reported(&self, out: &[u8]) -> Option<CniError> {
        let value: Value = serde_json::from_slice(out).ok()?;
        let code = value.get("code")?.as_u64().filter(|code| *code != 0)?;
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(CniError::Plugin {
            plugin: self.plugin.to_owned(),
            verb: self.verb,
            code,
            message: shorten(text("msg")),
            details: shorten(text("details")),
        })
    }

    /// Reads what ADD or VERSION printed as JSON.
    pub(crate) fn json(&self, out: &[u8]) -> Result<Value, CniError> {
        serde_json::from_slice(out).map_err(|error| {
            let began = shorten(&String::from_utf8_lossy(out));
            self.unusable(match began.as_str() {
                "" => "it printed nothing".to_owned(),
                _ => format!("it is not JSON ({error}) and begins with: {began}"),
            })
        })
    }

    pub(crate) fn unusable(&self, detail: String) -> CniError {
        CniError::Output {
            plugin: self.plugin.to_owned(),
            verb: self.verb,
            detail,
        }
    }
}

/// Whether a file begins as text: what is none, such as a program for another
/// machine, must not be run by a shell.
fn is_text(path: &Path) -> bool {
    let mut begin = [0; 128];
    let read = File::open(path).and_then(|mut file| file.read(&mut begin));
    let begin = begin.get(..read.unwrap_or(0)).unwrap_or_default();
    !begin.starts_with(b"\x7fELF") && !begin.contains(&0)
}

/// A process group that dies when it is dropped, unless it was let go.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        // The only failure there is says that the group has no processes any more.
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn quote_end(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let surplus = text.chars().count().saturating_sub(QUOTED);
    if surplus == 0 {
        text.to_owned()
    } else {
        text.chars().skip(surplus).collect()
    }
}
