//! Compiles `bpf/`.
//!
//! The object is embedded in the binary; hosts that run it need neither clang nor
//! kernel headers.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=bpf");
    println!("cargo:rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let arguments = ["-mcpu=v3", "-Wall", "-Wextra", "-Werror", "-idirafter"]
        .map(String::from)
        .into_iter()
        // Debian keeps <asm/types.h> by architecture, out of the BPF target's sight.
        .chain([format!("/usr/include/{arch}-linux-gnu")]);
    let mut builder = SkeletonBuilder::new();
    builder
        .source("bpf/isolation.bpf.c")
        .obj(out.join("isolation.o"))
        .clang_args(arguments);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(PathBuf::from(clang));
    }
    // The object alone: it is small, and a skeleton would be unsafe code.
    builder.build().map_err(|source| {
        format!(
            "compiling bpf/isolation.bpf.c: {source:#}; it needs clang 14 or newer (or CLANG=…), \
             libelf-dev, zlib1g-dev and linux-libc-dev"
        )
    })?;
    Ok(())
}
