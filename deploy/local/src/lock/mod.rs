//! The artifacts beyond Debian's packages: what is wanted, what exactly was locked, and how it is fetched.

mod fetch;
mod maven;
mod pip;
mod renew;
mod unpack;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

pub(crate) use fetch::{Artifacts, cached, fetch, fetch_peer};
pub(crate) use pip::python;
pub use renew::renew;

const WANTED: &str = include_str!("../../artifacts.toml");
const LOCKED: &str = include_str!("../../lock.toml");

/// One part of the stack as `artifacts.toml` asks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) version: String,
    #[serde(default)]
    maven: Vec<String>,
    #[serde(default)]
    pip: Vec<String>,
    #[serde(default)]
    transitive: bool,
    #[serde(default)]
    platforms: Vec<String>,
}

/// Every part that is wanted, by name.
pub(crate) fn wanted() -> BTreeMap<String, Wanted> {
    toml::from_str(WANTED).expect("artifacts.toml is part of this program and was tested")
}

/// Exactly which files make up the stack: coordinate, size and checksum of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    #[serde(rename = "artifact")]
    artifacts: Vec<Artifact>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The part of the stack that needs it.
    pub part: String,
    /// `group:artifact:version[:type[:classifier]]` for Maven, `name==version` for pip.
    pub coordinate: String,
    /// The wheel tag, for what differs by machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Its name as a file.
    pub file: String,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Lock {
    /// The lock that this program was built with.
    pub fn committed() -> Self {
        Self::parse(LOCKED).expect("lock.toml is part of this program and was tested")
    }

    /// Reads the text of a lock file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text)
            .map_err(|error| Error::Damaged { path: "lock.toml".into(), what: error.message().to_owned() })
    }

    /// What a part needs on this machine.
    pub fn part(&self, part: &str) -> Vec<&Artifact> {
        let machine = format!("_{}", std::env::consts::ARCH);
        let here =
            |artifact: &&Artifact| artifact.platform.as_ref().is_none_or(|tag| tag.ends_with(&machine));
        self.artifacts.iter().filter(|artifact| artifact.part == part).filter(here).collect()
    }

    fn text(&self) -> String {
        let head = "# Exactly what the local stack runs. Written by `millrace lock`; not edited by hand.\n\n";
        format!("{head}{}", toml::to_string(self).expect("plain data turns into TOML"))
    }
}

impl Artifact {
    /// Compares a fetched file with the lock. A file that differs does not stay.
    pub fn verify(&self, path: &Path) -> Result<()> {
        let found = sha256(path)?;
        if found == self.sha256 {
            return Ok(());
        }
        std::fs::remove_file(path).map_err(Error::file("remove", path))?;
        Err(Error::WrongChecksum { file: self.file.clone(), expected: self.sha256.clone(), found })
    }
}

/// A short name for the content of a part: it changes with any of its files.
fn digest(artifacts: &[&Artifact]) -> String {
    let mut hash = Sha256::new();
    for artifact in artifacts {
        hash.update(format!("{} {}\n", artifact.sha256, artifact.file));
    }
    hex(&hash.finalize())[..12].to_owned()
}

fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut copy = || {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                count => hash.write_all(&buffer[..count])?,
            }
        }
    };
    copy().map_err(Error::file("read", path))?;
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
