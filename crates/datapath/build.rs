//! Compiles `bpf/` and generates its skeleton.
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
    let mut builder = SkeletonBuilder::new();
    builder
        .source("bpf/datapath.bpf.c")
        .reference_obj(true)
        // v3 has the atomic exchange; kernels know it since 5.12.
        .clang_args(
            ["-mcpu=v3", "-Wall", "-Wextra", "-Werror", "-idirafter"]
                .map(String::from)
                .into_iter()
                .chain([
                    // Debian keeps <asm/types.h> by architecture, out of the BPF target's sight.
                    format!("/usr/include/{arch}-linux-gnu"),
                ]),
        );
    if let Some(clang) = env::var_os("CLANG") {
        builder.clang(PathBuf::from(clang));
    }
    builder.build_and_generate(out.join("datapath.skel.rs")).map_err(|source| {
        format!(
            "compiling bpf/datapath.bpf.c: {source:#}; it needs clang 14 or newer (or CLANG=…), \
             libelf-dev, zlib1g-dev and linux-libc-dev"
        )
    })?;
    Ok(())
}
