//! The programs' own logic, outside of the kernel: `bpf/outside/` compiled as ordinary C
//! over maps that are memory, with the sanitizers for memory and for undefined
//! behaviour. Each case runs in a process of its own, so that a crash concerns it alone.

#![allow(clippy::unwrap_used)] // The lint spares only what stands inside a test function.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use tempfile::TempDir;

#[test]
fn the_logic_of_the_programs_holds() {
    let directory = TempDir::new().unwrap();
    let binary = compile(directory.path());
    let listed = run(&binary, None);
    let names: Vec<_> = text(&listed.stdout).lines().map(str::to_owned).collect();
    assert!(listed.status.success() && !names.is_empty(), "{listed:?}");

    let (queue, failures) = (Mutex::new(names.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let ended = run(&binary, Some(name));
                    let holds = ended.status.success();
                    println!("{name}: {}", if holds { "ok" } else { "FAILED" });
                    if !holds {
                        failures.lock().unwrap().push(told(name, &ended));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let (count, all) = (failures.len(), names.len());
    assert!(
        failures.is_empty(),
        "{count} of {all} cases failed:\n{}",
        failures.join("\n")
    );
}

/// The clang that build.rs uses.
fn clang() -> OsString {
    std::env::var_os("CLANG").unwrap_or_else(|| "clang".into())
}

const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Compiles the cases as strictly as the programs themselves.
fn compile(directory: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf/outside");
    let binary = directory.join("outside");
    assert_sanitizers(directory);
    let compiled = Command::new(clang())
        .args(["-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror"])
        .args(SANITIZERS)
        .arg("-I")
        .arg(&sources)
        .arg(sources.join("outside.c"))
        .arg("-o")
        .arg(&binary)
        .args(["-lm", "-lpthread"])
        .output()
        .unwrap_or_else(|error| panic!("{:?} does not run: {error}", clang()));
    assert!(
        compiled.status.success(),
        "compiling bpf/outside: {}",
        text(&compiled.stderr)
    );
    binary
}

/// Debian keeps the sanitizers' libraries in a package of their own. Without it there is
/// no test: a case that reads beyond its memory would pass.
fn assert_sanitizers(directory: &Path) {
    let source = directory.join("empty.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let linked = Command::new(clang())
        .args(SANITIZERS)
        .arg(&source)
        .arg("-o")
        .arg(directory.join("empty"))
        .output()
        .unwrap_or_else(|error| panic!("{:?} does not run: {error}", clang()));
    assert!(
        linked.status.success(),
        "{:?} has no sanitizers to link; install libclang-rt-14-dev, or what belongs to \
         another version of clang, for example by scripts/setup.sh dev: {}",
        clang(),
        text(&linked.stderr)
    );
}

fn run(binary: &Path, case: Option<&str>) -> Output {
    Command::new(binary)
        .args(case)
        // What cases allocate ends with them.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output()
        .unwrap()
}

fn told(name: &str, ended: &Output) -> String {
    let (status, output) = (ended.status, text(&ended.stderr));
    format!("{name}: {status}\n{output}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
