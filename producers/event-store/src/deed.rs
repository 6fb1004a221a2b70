//! Who does something to the store that is no append, and why.

use clap::Args;

/// What the audit says of a deed, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Deed {
    /// Who does it; stays in the audit
    #[arg(long, value_name = "NAME")]
    pub actor: String,

    /// Why; stays in the audit, so it should name nobody who is to be forgotten
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
