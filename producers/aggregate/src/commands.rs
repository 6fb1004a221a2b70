//! Commands as those see them who do not read Rust.

/// A closed set of commands that can be asked for from outside. As JSON each is an object: `type` is its name, and the
/// other fields are those of the event it leads to, by the same names; times are text.
pub trait Commands {
    /// What several of their aggregates are called together, such as `executions`.
    const COLLECTION: &'static str;
    /// The field that says whose command it is.
    const ID_FIELD: &'static str;
    /// All of them.
    const TYPES: &'static [CommandType];
    /// JSON: an array of histories, each an array of commands that an aggregate without a past accepts in this order; every
    /// command is in one of them. The id is left out, and the time may be.
    const EXAMPLES: &'static str;
}

/// One command of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandType {
    /// An imperative.
    pub name: &'static str,
    /// What is asked for.
    pub about: &'static str,
    /// The event that has its fields.
    pub event: &'static str,
}
