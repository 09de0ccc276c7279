//! What reading the clock is of the time that the kernel counts for programs.
//!
//! Between the two readings that it takes for each run lies about one of them, so a
//! program that does nothing shows how long that is. It is loaded by a small program in
//! C: here nothing is unsafe, and the datapath has no use for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use datapath::time_named;
use serde::Deserialize;

use crate::process::{output, report};

/// What runs an empty program.
pub(crate) struct Clock {
    program: PathBuf,
}

/// What the kernel counted.
#[derive(Debug, Deserialize)]
struct Counted {
    nanos: u64,
    runs: u64,
}

impl Clock {
    /// Compiles it with the clang that the datapath is compiled with, into a directory that
    /// outlives it.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let program = directory.join("clock");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rate/clock.c");
        let clang = std::env::var_os("CLANG").unwrap_or_else(|| OsString::from("clang"));
        let mut compile = Command::new(clang);
        compile.arg("-O2").arg("-o").arg(&program).arg(&source);
        output(&mut compile).context("compiling what runs an empty program")?;
        Ok(Self { program })
    }

    /// Nanoseconds that the kernel counts for a run of an empty program.
    pub(crate) fn nanos(&self) -> Result<f64> {
        let run = || report::<Counted>(&mut Command::new(&self.program));
        let (counted, _) = time_named(&[], run)?;
        let Counted { nanos, runs } = counted?;
        ensure!(runs > 0, "the kernel counted no run of an empty program");
        Ok(nanos as f64 / runs as f64)
    }
}
