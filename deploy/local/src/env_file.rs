use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::files::write_private;
use crate::{Error, Result};

/// The connection facts and passwords of a stack: `stack.env`, lines of `KEY=value` that only their owner may read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StackEnv(BTreeMap<String, String>);

impl StackEnv {
    /// Reads the file; nothing is in it when there is none.
    pub fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (index, line) in
            text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            let Some((key, value)) = line.split_once('=') else {
                let what = format!("line {} is not KEY=value", index + 1);
                return Err(Error::Damaged { path: path.to_owned(), what });
            };
            values.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self(values))
    }

    /// Replaces the file at once, readable by its owner alone.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = "# Connection facts and passwords of this stack. Keep it private.\n".to_owned();
        for (key, value) in &self.0 {
            text.extend([key, "=", value, "\n"]);
        }
        write_private(path, &text)
    }

    /// The value of a key, `MILLRACE_REDIS_URL` for one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All keys with their values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets a value, instead of the one that was there.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Sets a value where there is none.
    pub(crate) fn set_default(&mut self, key: &str, value: impl FnOnce() -> String) {
        self.0.entry(key.to_owned()).or_insert_with(value);
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Every secret in it: what must never appear in a process list or a log.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|(key, _)| key.ends_with("_PASSWORD")).map(|(_, value)| value)
    }
}

impl std::fmt::Debug for StackEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish() // the values are secrets
    }
}
