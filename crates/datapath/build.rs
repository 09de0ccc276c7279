//! Compiles `bpf/` and generates its skeleton.
//!
//! The object is embedded in the binary; hosts that run it need neither clang nor
//! kernel headers.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=bpf");
    println!("cargo:rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    compile(&out, None)?;
    if env::var_os("CARGO_FEATURE_BUILDS").is_some() {
        // For tests and measurements of upgrades: the same sources, and no program the same.
        compile(&out.join("other"), Some("-DSEALANE_OTHER_BUILD=1"))?;
    }
    Ok(())
}

/// Makes `datapath.o` and `datapath.skel.rs` in a directory.
fn compile(directory: &Path, define: Option<&str>) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    // v3 has the atomic exchange; kernels know it since 5.12.
    let arguments = ["-mcpu=v3", "-Wall", "-Wextra", "-Werror", "-idirafter"]
        .map(String::from)
        .into_iter()
        // Debian keeps <asm/types.h> by architecture, out of the BPF target's sight.
        .chain([format!("/usr/include/{arch}-linux-gnu")])
        .chain(define.map(String::from));
    let mut builder = SkeletonBuilder::new();
    builder
        .source("bpf/datapath.bpf.c")
        .obj(directory.join("datapath.o"))
        .reference_obj(true)
        .clang_args(arguments);
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(PathBuf::from(clang));
    }
    builder.build_and_generate(directory.join("datapath.skel.rs")).map_err(|source| {
        format!(
            "compiling bpf/datapath.bpf.c: {source:#}; it needs clang 14 or newer (or CLANG=…), \
             libelf-dev, zlib1g-dev and linux-libc-dev"
        )
    })?;
    Ok(())
}
