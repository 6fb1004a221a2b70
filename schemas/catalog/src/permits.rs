//! What a plan may do only when it is told so, item by item.

use clap::Args;
use serde::{Deserialize, Serialize};

/// Changes that lose something, or replace a secret. Without them a plan shows what it would take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permits {
    /// Delete this topic, which the manifest must list under `retired`; its records are lost. Repeatable
    #[arg(long, value_name = "NAME")]
    pub delete_topic: Vec<String>,

    /// Keep fewer records of this topic than now: a shorter retention, or another cleanup. Repeatable
    #[arg(long, value_name = "NAME")]
    pub shrink_retention: Vec<String>,

    /// Add partitions to this topic although its records have keys: keys move to other partitions, and the order of a
    /// key's records from before and after the change is lost. Repeatable
    #[arg(long, value_name = "NAME")]
    pub grow_keyed: Vec<String>,

    /// Replace the password of this user by the one that is given now; clients with the old one are refused from then
    /// on. Repeatable
    #[arg(long, value_name = "USER")]
    pub rotate_password: Vec<String>,
}

impl Permits {
    /// What is left of them once a plan was carried out: a rotated password must not be rotated again.
    pub(crate) fn afterwards(&self) -> Self {
        Self { rotate_password: Vec::new(), ..self.clone() }
    }
}
