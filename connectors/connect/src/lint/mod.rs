//! Settings that are known to lose events or to send them again, told before anything is applied.
//!
//! Connect and Debezium accept all of them: none is a mistake in general, each is one for an outbox. A setting that is
//! left out is judged by its default. Needs no worker and no database.

mod forbidden;
mod router;
mod shared;
mod spelling;
mod wanted;

use std::fmt;

use serde::Serialize;

use crate::Connector;

pub use shared::lint_together;
pub use spelling::unknown;

/// A setting that must not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which connector.
    pub connector: String,
    /// The setting.
    pub setting: String,
    /// What it says; `None`: nothing. Secrets are masked.
    pub value: Option<String>,
    /// What comes of it.
    pub reason: String,
    /// What to write instead.
    pub instead: String,
}

/// What the settings of one connector would lose or send again.
pub fn lint(connector: &Connector) -> Vec<Finding> {
    let mut findings = forbidden::findings(connector);
    if connector.reads_postgres() {
        findings.extend(wanted::findings(connector));
        findings.extend(router::findings(connector));
    }
    findings.sort_by(|a, b| a.setting.cmp(&b.setting));
    findings
}

impl Finding {
    /// A finding about what the connector says of a setting.
    pub(crate) fn of(connector: &Connector, setting: &str, reason: &str, instead: &str) -> Self {
        let value = connector.settings.get(setting).map(|value| crate::plan::shown(setting, value));
        Self {
            connector: connector.name.clone(),
            setting: setting.to_owned(),
            value,
            reason: reason.to_owned(),
            instead: instead.to_owned(),
        }
    }
}

impl Connector {
    /// Whether it is Debezium's for Postgres, by any of the names that Connect takes for it.
    fn reads_postgres(&self) -> bool {
        let class = self.settings.get("connector.class").map_or("", String::as_str);
        let simple = class.rsplit('.').next().unwrap_or_default();
        ["PostgresConnector", "Postgres"].contains(&simple)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector, setting, value, reason, instead } = self;
        let value = value.as_ref().map_or("is not set".to_owned(), |value| format!("= {value}"));
        write!(f, "{connector}: {setting} {value}: {reason}; instead: {instead}")
    }
}

#[cfg(test)]
mod tests;
