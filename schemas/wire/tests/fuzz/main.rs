//! Any bytes at all, from a topic or from a registry, are read or refused: without a panic, without more memory than
//! they are worth, and what is read is an event like any other.
//!
//! As a test it takes the stored corpus. `make fuzz` builds the same target for libFuzzer, which goes on from there for
//! as long as it is given; what it finds joins the corpus under a name that says what it is.

#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::unwrap_used, reason = "what cannot go on has been found")]

mod allocations;
#[cfg(not(fuzzing))]
mod corpus;
mod target;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| target::take(input));
