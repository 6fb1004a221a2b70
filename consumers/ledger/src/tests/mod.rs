//! Every oracle has a mutant it kills.

mod histories;
mod mutants;
mod pruned;
mod republished;
mod retention;
mod skipped;
mod stories;
