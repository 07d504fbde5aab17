//! Lets the MKL inside libtorch take its fast code paths on every processor that can run them.
//!
//! MKL asks its own `mkl_serv_intel_cpu_true` whether the processor is Intel's, and takes slower code where it is not,
//! although the same instructions are there. A function of that name in the executable comes before the library's own
//! (`build.rs` has it exported), and says yes. Which instructions there are MKL still asks the processor.

/// What MKL asks before it takes its fast paths: 1 for yes.
///
/// The environment variable `TRAINABILITY_MKL=default` gives the honest answer, 1 only on a processor of Intel's.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> i32 {
    i32::from(!is_default() || is_intel())
}

/// Whether the user wants MKL's own choice.
pub fn is_default() -> bool {
    std::env::var_os("TRAINABILITY_MKL").is_some_and(|value| value == "default")
}

#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    // A safe function in newer versions of Rust only.
    #[allow(unused_unsafe)]
    let leaf = unsafe { std::arch::x86_64::__cpuid(0) };
    // "GenuineIntel", in the order in which the processor gives it.
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_intel() -> bool {
    false
}
