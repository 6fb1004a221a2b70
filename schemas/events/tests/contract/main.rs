//! The contract between the Rust types, the schemas and the committed bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arbitrary;
mod defaults;
mod differential;
mod files;
mod golden;
mod schemas;
