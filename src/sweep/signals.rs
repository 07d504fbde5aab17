//! What the system may ask of a sweep: to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::SweepError;

/// A request to stop that has come in. The default hears nothing.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The signal that asked first, 0 for none.
    stop: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens to what terminals, systems and batch systems send before they end a process: SIGINT, SIGTERM, SIGHUP,
    /// SIGUSR1, SIGUSR2 and SIGXCPU. Each asks to finish the update, write a checkpoint and stop; a second SIGINT ends
    /// the process at once, the others may come several times: a batch system sends them to a job's shell, which passes them
    /// on, and to all that the shell has started. What the process was started to ignore, as `nohup` does with SIGHUP, it
    /// ignores.
    ///
    /// # Errors
    /// The system does not let the process listen.
    #[cfg(unix)]
    pub fn listen() -> Result<Signals, SweepError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
        use signal_hook::flag;
        let signals = Signals::default();
        let listen = || -> std::io::Result<()> {
            for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU] {
                if is_ignored(signal) {
                    continue;
                }
                if signal == SIGINT {
                    let asked = Arc::new(AtomicBool::new(false));
                    flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
                    flag::register(signal, asked)?;
                }
                let stop = Arc::clone(&signals.stop);
                let note = move || {
                    let _ = stop.compare_exchange(0, signal as usize, Ordering::SeqCst, Ordering::SeqCst);
                };
                // SAFETY: setting an atomic number is all that happens in the handler.
                unsafe { signal_hook::low_level::register(signal, note) }?;
            }
            Ok(())
        };
        listen().map_err(SweepError::Signals)?;
        Ok(signals)
    }

    /// Where there are no such signals nothing is heard.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Signals, SweepError> {
        Ok(Signals::default())
    }

    /// The signal that asked to stop.
    pub fn stop(&self) -> Option<u8> {
        u8::try_from(self.stop.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
    }
}

/// Whether whoever started the process had it ignore a signal.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut present = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action given the system only writes the present one, to the place that is there for it.
    let answer = unsafe { libc::sigaction(signal, std::ptr::null(), present.as_mut_ptr()) };
    // SAFETY: all zeros are an action too.
    answer == 0 && unsafe { present.assume_init() }.sa_sigaction == libc::SIG_IGN
}
