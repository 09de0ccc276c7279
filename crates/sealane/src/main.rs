//! The daemon and the command line, in one binary.

mod cli;
mod daemon;

fn main() -> std::process::ExitCode {
    cli::main()
}
