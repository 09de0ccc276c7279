//! What a user sees while a command waits.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

/// A line that tells what is being waited for, on standard error.
#[derive(Debug)]
pub(super) enum Progress {
    /// One line that changes, on a terminal.
    Line(ProgressBar),
    /// A new line for each change, in a log.
    Log(String),
    /// Nothing.
    #[cfg(test)]
    Silent,
}

impl Progress {
    pub(super) fn on_standard_error() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Log(String::new());
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        Self::Line(bar)
    }

    /// Shows `text` from now on.
    pub(super) fn show(&mut self, text: &str) {
        match self {
            Self::Line(bar) => {
                bar.enable_steady_tick(TICK);
                bar.set_message(text.to_owned());
            }
            Self::Log(last) if last != text => {
                // With standard error gone there is nobody to tell.
                drop(writeln!(io::stderr(), "{text}"));
                text.clone_into(last);
            }
            Self::Log(_) => {}
            #[cfg(test)]
            Self::Silent => {}
        }
    }

    /// Removes the changing line.
    pub(super) fn end(&mut self) {
        if let Self::Line(bar) = self {
            bar.finish_and_clear();
        }
    }
}
