//! `millrace token`: who somebody may be on the local stack.

use std::time::Duration;

use anyhow::Context;
use events::TenantId;
use http_api::auth::{AuthConfig, Grant, Issuer, Role};

use crate::exit::Exit;
use crate::stack_defaults::{settings, tokens_folder};

/// Prints a token that the stack's command API believes. Its signing key lies in the stack's data; elsewhere tokens come
/// from your identity provider.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Whose data
    #[arg(long)]
    tenant: TenantId,
    /// Who; becomes the actor in the events' metadata
    #[arg(long, default_value = "operator")]
    actor: String,
    /// What they may do
    #[arg(long, value_enum, default_value = "writer")]
    role: Role,
    /// For how many minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
}

impl TokenArgs {
    pub(crate) fn run(self, stack: &str) -> anyhow::Result<Exit> {
        let lifetime = Duration::from_secs(self.minutes * 60);
        let grant = Grant { tenant: self.tenant, actor: self.actor, role: self.role, lifetime };
        println!("{}", issue(stack, &grant)?);
        Ok(Exit::Ok)
    }
}

/// A token of the stack's own issuer.
pub(crate) fn issue(stack: &str, grant: &Grant) -> anyhow::Result<String> {
    let opened = local::Stack::open(stack)?;
    anyhow::ensure!(
        opened.exists(),
        "there is no stack {stack}; raise one with `millrace up --name {stack}`"
    );
    let config: AuthConfig = settings(stack)?;
    Ok(issuer(&opened)?.issue(grant, &config)?)
}

/// The stack's own issuer, made where there is none: the APIs believe it, and can start once it is there.
pub(crate) fn issuer(stack: &local::Stack) -> anyhow::Result<Issuer> {
    Issuer::open(&tokens_folder(stack)).context("the stack has no issuer of tokens")
}
