//! What applying would change.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::Connector;

/// The difference between a file and what Connect has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Which connector.
    pub name: String,
    /// Whether Connect does not have it yet.
    pub is_new: bool,
    /// Settings that differ, by name. Secrets are masked.
    pub changes: Vec<Change>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The setting.
    pub setting: String,
    /// What Connect has; `None`: nothing.
    pub live: Option<String>,
    /// What the file says; `None`: nothing.
    pub wanted: Option<String>,
}

impl Plan {
    /// Compares; `live` is `None` when Connect does not have the connector.
    pub fn between(live: Option<&BTreeMap<String, String>>, connector: &Connector) -> Self {
        let nothing = BTreeMap::new();
        let (was, wanted) = (live.unwrap_or(&nothing), &connector.settings);
        let changed = |setting: &&String| was.get(*setting) != wanted.get(*setting);
        let mut settings: Vec<&String> = was.keys().chain(wanted.keys()).filter(changed).collect();
        settings.sort_unstable();
        settings.dedup();
        let changes = settings
            .into_iter()
            .filter(|setting| *setting != "name") // Connect adds it itself
            .map(|setting| Change {
                setting: setting.clone(),
                live: was.get(setting).map(|value| shown(setting, value)),
                wanted: wanted.get(setting).map(|value| shown(setting, value)),
            })
            .collect();
        Self { name: connector.name.clone(), is_new: live.is_none(), changes }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.is_new && self.changes.is_empty()
    }
}

/// A setting's value, unless it is a secret written out. A reference to a secret is shown.
pub(crate) fn shown(setting: &str, value: &str) -> String {
    let is_url = || value.contains("://") && value.contains('@');
    let secret = (is_secret(setting) && !value.starts_with("${")) || is_url();
    if secret { "(hidden)".to_owned() } else { value.to_owned() }
}

/// Whether a setting is a secret, by its name.
pub(crate) fn is_secret(setting: &str) -> bool {
    ["password", "secret", "jaas", "token"].iter().any(|word| setting.contains(word))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, is_new, changes } = self;
        match (is_new, changes.len()) {
            (true, settings) => writeln!(f, "connector {name} is new, with {settings} settings")?,
            (false, 0) => writeln!(f, "connector {name} is as its file says")?,
            (false, settings) => writeln!(f, "connector {name} differs in {settings} settings")?,
        }
        for Change { setting, live, wanted } in changes {
            for (sign, value) in [('-', live), ('+', wanted)] {
                if let Some(value) = value {
                    writeln!(f, "  {sign} {setting} = {value}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_plan_shows_what_differs_and_no_secret() {
        let live = settings(&[
            ("name", "outbox"),
            ("tasks.max", "1"),
            ("database.password", "hunter2"),
            ("old", "x"),
        ]);
        let wanted = settings(&[("tasks.max", "1"), ("database.password", "${file:s:p}"), ("new", "y")]);
        let connector = Connector { name: "outbox".into(), settings: wanted };
        let plan = Plan::between(Some(&live), &connector);
        assert_eq!(
            plan.to_string(),
            "connector outbox differs in 3 settings\n  - database.password = (hidden)\n  \
             + database.password = ${file:s:p}\n  + new = y\n  - old = x\n"
        );
        assert!(Plan::between(Some(&connector.settings), &connector).is_empty());
        assert!(Plan::between(None, &connector).is_new);
    }
}
