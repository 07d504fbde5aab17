//! What the system may ask of a sweep: to stop, or to write its checkpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::SweepError;

/// Requests that have come in. The default hears nothing.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The signal that asked to stop, 0 for none.
    stop: Arc<AtomicUsize>,
    /// How often checkpoints were asked for.
    checkpoints: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens to SIGINT and SIGTERM (stop: finish the update and checkpoint; a second one ends the process at once)
    /// and to SIGUSR1 (checkpoint and go on, which batch systems send before they take the machine away).
    ///
    /// # Errors
    /// The system does not let the process listen.
    #[cfg(unix)]
    pub fn listen() -> Result<Signals, SweepError> {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        use signal_hook::flag;
        let signals = Signals::default();
        let asked = Arc::new(AtomicBool::new(false));
        let listen = || -> std::io::Result<()> {
            for signal in [SIGINT, SIGTERM] {
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
                flag::register(signal, Arc::clone(&asked))?;
                flag::register_usize(signal, Arc::clone(&signals.stop), signal as usize)?;
            }
            let checkpoints = Arc::clone(&signals.checkpoints);
            let count = move || {
                checkpoints.fetch_add(1, Ordering::SeqCst);
            };
            // SAFETY: adding to an atomic number is all that happens in the handler.
            unsafe { signal_hook::low_level::register(SIGUSR1, count) }?;
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

    /// How often checkpoints were asked for so far.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.load(Ordering::Relaxed)
    }
}
