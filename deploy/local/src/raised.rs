use std::fmt;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::Component;

/// What became of a stack that was raised. Holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Raised {
    /// Its name.
    pub stack: String,
    /// The components that were asked for, in the order in which they start.
    pub components: Vec<Started>,
    /// How long all of it took.
    pub seconds: f64,
}

/// What became of one component.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    /// Which.
    pub component: Component,
    /// What its program calls itself.
    pub version: String,
    /// Its main port.
    pub port: u16,
    /// Its process.
    pub pid: i32,
    /// How long it took until it answered.
    pub seconds: f64,
    /// Whether it was up already.
    pub was_up: bool,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["component", "version", "port", "pid", "seconds"]);
        for started in &self.components {
            table.add_row([
                started.component.to_string(),
                started.version.clone(),
                started.port.to_string(),
                started.pid.to_string(),
                if started.was_up { "was up".to_owned() } else { format!("{:.1}", started.seconds) },
            ]);
        }
        writeln!(f, "{table}")?;
        write!(f, "the stack {:?} is up after {:.1} s", self.stack, self.seconds)
    }
}
