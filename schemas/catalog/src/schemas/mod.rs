//! Schemas as files: what they must look like, what a version owes to the others, and what is made of them.

mod check;
mod compatibility;
mod finding;
mod freeze;
mod lint;
mod place;
mod tree;

pub use check::{Checked, LiveSchemas, check, compare_with_registry};
pub use compatibility::{Break, Direction, Reason, breaks};
pub use finding::{Finding, Rule};
pub use freeze::{FreezeError, Frozen, freeze};
pub use lint::lint;
pub use tree::{Record, SchemaFile, Tree, TreeError};
