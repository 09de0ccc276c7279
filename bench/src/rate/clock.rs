//! What reading the clock is of the time that the kernel counts for programs.
//!
//! Between the two readings that it takes for each run lies about one of them, so a
//! program that does nothing shows how long that is. It is loaded by a small program in
//! C: here nothing is unsafe, and the datapath has no use for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use datapath::Datapath;
use serde::Deserialize;

use crate::process::{output, report};
use crate::site::Site;

/// What runs an empty program; it goes with its site.
pub(super) struct Clock {
    program: PathBuf,
    _site: Rc<Site>,
}

/// What the kernel counted.
#[derive(Debug, Deserialize)]
struct Counted {
    nanos: u64,
    runs: u64,
}

impl Clock {
    /// Compiles it with the clang that the datapath is compiled with.
    pub(super) fn new(site: &Rc<Site>) -> Result<Self> {
        let program = site.host.directory().join("clock");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rate/clock.c");
        let clang = std::env::var_os("CLANG").unwrap_or_else(|| OsString::from("clang"));
        let mut compile = Command::new(clang);
        compile.arg("-O2").arg("-o").arg(&program).arg(&source);
        output(&mut compile).context("compiling what runs an empty program")?;
        Ok(Self {
            program,
            _site: Rc::clone(site),
        })
    }

    /// Nanoseconds that the kernel counts for a run of an empty program.
    pub(super) fn nanos(&self, datapath: &Datapath) -> Result<f64> {
        let run = || report::<Counted>(&mut Command::new(&self.program));
        // What the datapath's own programs do meanwhile is of no interest.
        let (counted, _) = datapath.time_programs(run)?;
        let Counted { nanos, runs } = counted?;
        ensure!(runs > 0, "the kernel counted no run of an empty program");
        Ok(nanos as f64 / runs as f64)
    }
}
