//! The readers under hostile input: none panics, none takes more memory than its input warrants, and what is written reads
//! back to the same bits. `cases` are few and drawn from a fixed seed, so that every call tests the same; the fuzzer
//! (`make fuzz`) does the searching, and what it has found lies in `fuzz/seeds`.

mod damage;
mod damaged;
mod inputs;
mod names;
mod round_trips;
mod seeds;
mod state;
