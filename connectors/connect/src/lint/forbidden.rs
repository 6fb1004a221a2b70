//! What no connector may say, whatever it connects.

use super::Finding;
use crate::Connector;
use crate::plan::is_secret;

pub(super) fn findings(connector: &Connector) -> Vec<Finding> {
    let judged = |(setting, value): (&String, &String)| {
        let (reason, instead) = judge(setting, value)?;
        Some(Finding::of(connector, setting, reason, instead))
    };
    connector.settings.iter().filter_map(judged).collect()
}

/// Why a setting may not be as it is, and what to write instead.
fn judge(setting: &str, value: &str) -> Option<(&'static str, &'static str)> {
    if setting == "errors.tolerance" && value != "none" {
        return Some(("a record that fails is dropped, and nobody is told", "none"));
    }
    if setting.starts_with("producer.override.") {
        return Some((
            "how records are sent is the worker's business, and its override policy None refuses this",
            "nothing here; producer.* among the worker's settings",
        ));
    }
    if setting.starts_with("topic.creation.") {
        return Some((
            "a topic that is made on the fly has the wrong partitions and no access rules",
            "nothing here; `millrace topics apply` makes topics",
        ));
    }
    if (is_secret(setting) && !value.contains("${file:")) || has_password(value) {
        return Some((
            "whoever may ask Connect for its connectors may read this",
            "${file:{secrets}:KEY}, with the secret under KEY in the worker's file",
        ));
    }
    None
}

/// Whether a URL names a password.
fn has_password(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let account = authority.and_then(|authority| authority.rsplit_once('@')).map(|(account, _)| account);
    account
        .and_then(|account| account.split_once(':'))
        .is_some_and(|(_, password)| !password.starts_with("${"))
}
