//! Who does something, and why.

use clap::Args;

/// Stands in the audit for ever.
#[derive(Debug, Clone, Args)]
pub struct Deed {
    /// Who does it; stays in the audit
    #[arg(long, value_name = "NAME")]
    pub actor: String,

    /// Why; stays in the audit, so it should name nobody who is to be forgotten
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
