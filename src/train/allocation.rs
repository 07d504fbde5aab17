//! Has the C allocator, which libtorch's tensors come from, keep what a training step frees for the next one.
//!
//! A step allocates and frees the same few megabytes of activations and gradients. By default glibc hands much of that
//! back to the system at once, and each step pays for fresh pages, zeroed by the kernel: 45 faults an update of the
//! reference network, and the caches that they empty.

use std::sync::Once;

/// Blocks from here on come from the system and go back to it, as those of image sets may: glibc's own upper limit.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_MAPPING: libc::c_int = 32 << 20;
/// How much free memory at its end an arena may keep.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 256 << 20;

/// Called once a process; what the user has set in `GLIBC_TUNABLES` or `MALLOC_TRIM_THRESHOLD_` is left as it is.
pub fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        if std::env::var_os("GLIBC_TUNABLES").is_none() && std::env::var_os("MALLOC_TRIM_THRESHOLD_").is_none() {
            // SAFETY: both are documented parameters; glibc takes its own lock. Refused values change nothing.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
                libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
            }
        }
    });
}
