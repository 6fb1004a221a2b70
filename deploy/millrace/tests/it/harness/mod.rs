//! What the tests share: the program, its roles, the stages of the chain, and input.

mod agent;
mod chain;
mod console;
mod guard;
mod load;
mod own_stack;
mod program;
mod role;
mod runs;
mod world;

pub(crate) use agent::{Agent, append_withdrawal, metadata, new_event_id};
pub(crate) use chain::Standing;
pub(crate) use console::{Console, token};
pub(crate) use load::Load;
pub(crate) use own_stack::OwnStack;
pub(crate) use program::{Program, Ran, finish};
pub(crate) use role::Role;
pub(crate) use runs::{MAPPING, Runs, sample};
pub(crate) use testkit::{eventually, unique};
pub(crate) use world::{World, import};

use std::time::Duration;

/// How long anything that is on its way may take to arrive, a restart of a server included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A tenant that no other test has.
pub(crate) fn tenant(name: &str) -> events::TenantId {
    unique(name).parse().unwrap()
}
