//! Who is at fault, and therefore what helps.

/// What to do about an error of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The surroundings: hold the partition and try again.
    Transient,
    /// The record itself: trying again cannot help; park it.
    Poison,
}
