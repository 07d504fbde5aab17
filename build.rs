//! Lets every binary, test, benchmark and example of the crates that name it find libtorch without `LD_LIBRARY_PATH`, and tells
//! the program which version it is.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    // The packages that share this script have no file of their own to watch, and cargo watches the script.
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let mut libtorch = None;
    // torch-sys (`links = "tch"`) passes on the folder of the libtorch that it links.
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        // For `sweep.json`; torch-sys has checked that it is the version that it needs.
        if let Ok(version) = fs::read_to_string(Path::new(&folder).join("../build-version")) {
            println!("cargo::rustc-env=TRAINABILITY_LIBTORCH_VERSION={}", version.trim());
            libtorch = Some(format!("libtorch {}", version.trim()));
        }
        let cuda = Path::new(&folder).join("libtorch_cuda.so");
        if cuda.exists() {
            // Nothing names a symbol of the CUDA half, so that the linker would leave it out.
            println!("cargo::rustc-link-arg=-Wl,--no-as-needed,{},--as-needed", cuda.display());
        }
    }
    let variable = |key: &str| env::var(key).unwrap_or_default();
    // MKL inside libtorch asks the executable for this function: see crates/tensor/src/mkl.rs.
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        println!("cargo::rustc-link-arg=-Wl,-u,mkl_serv_intel_cpu_true");
        println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
    }
    if variable("CARGO_PKG_NAME") == "trainability" {
        let built_of: Vec<String> = commit(&variable("CARGO_MANIFEST_DIR")).into_iter().chain(libtorch).collect();
        let built_of = if built_of.is_empty() { String::new() } else { format!(" ({})", built_of.join(", ")) };
        println!("cargo::rustc-env=TRAINABILITY_VERSION={}{built_of}", variable("CARGO_PKG_VERSION"));
    }
}

/// What the program is compiled from.
const SOURCES: [&str; 6] = ["src", "crates", "baselines", "build.rs", "Cargo.toml", "Cargo.lock"];

/// The commit that the sources are of, if they lie in a repository of their own. What is watched are the sources and not git:
/// a commit alone compiles nothing anew, and the commit that is named is the one on which the program was built.
fn commit(root: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", root]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let own = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()? == fs::canonicalize(root).ok()?;
    let commit = own.then(|| git(&["rev-parse", "--short=12", "HEAD"])).flatten()?;
    for path in SOURCES.iter().filter(|path| Path::new(root).join(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    let changes = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    let changed = if changes.is_empty() { "" } else { " and changes" };
    Some(format!("commit {commit}{changed}"))
}
