//! Who does something to the store that is not an append, and why: what its audit row says.

/// For the audit.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeedArgs {
    /// Who does it, for the audit
    #[arg(long, value_name = "NAME")]
    actor: String,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl DeedArgs {
    pub(crate) fn deed(&self) -> archive::Deed {
        archive::Deed { actor: self.actor.clone(), reason: self.reason.clone() }
    }
}

/// The program, as files say who wrote them.
pub(crate) const MADE_BY: &str = concat!("millrace ", env!("CARGO_PKG_VERSION"));
