#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trainability_report::readers::paper(bytes));
