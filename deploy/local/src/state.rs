use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::write_private;
use crate::process::Process;
use crate::{Component, Error, Result};

/// What was started for a stack, and not ended since.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) components: BTreeMap<Component, Running>,
}

/// One component as it was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) version: String,
    /// Unix time of its start, in seconds.
    pub(crate) since: u64,
}

impl State {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        serde_json::from_str(&text)
            .map_err(|error| Error::Damaged { path: path.to_owned(), what: error.to_string() })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data turns into JSON");
        write_private(path, &text)
    }

    /// The recorded process of a component, if it still lives: a pid that was given again counts as dead.
    pub(crate) fn alive(&self, component: Component) -> Option<&Running> {
        self.components.get(&component).filter(|running| running.process.alive())
    }
}
