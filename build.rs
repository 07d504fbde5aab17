//! Lets every binary, test, benchmark and example of the crates that name it find libtorch without `LD_LIBRARY_PATH`.

use std::path::Path;
use std::{env, fs};

fn main() {
    // The packages that share this script have no file of their own to watch, and cargo watches the script.
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // torch-sys (`links = "tch"`) passes on the folder of the libtorch that it links.
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        // For `sweep.json`; torch-sys has checked that it is the version that it needs.
        if let Ok(version) = fs::read_to_string(Path::new(&folder).join("../build-version")) {
            println!("cargo::rustc-env=TRAINABILITY_LIBTORCH_VERSION={}", version.trim());
        }
        let cuda = Path::new(&folder).join("libtorch_cuda.so");
        if cuda.exists() {
            // Nothing names a symbol of the CUDA half, so that the linker would leave it out.
            println!("cargo::rustc-link-arg=-Wl,--no-as-needed,{},--as-needed", cuda.display());
        }
    }
    let target = |key: &str| env::var(key).unwrap_or_default();
    // MKL inside libtorch asks the executable for this function: see crates/tensor/src/mkl.rs.
    if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        println!("cargo::rustc-link-arg=-Wl,-u,mkl_serv_intel_cpu_true");
        println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
    }
}
