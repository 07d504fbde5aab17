#![no_main]

#[allow(dead_code, reason = "the other readers' functions")]
#[path = "../../tests/readers/inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inputs::checkpoint(bytes));
