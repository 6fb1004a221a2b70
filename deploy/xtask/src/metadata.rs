//! What `cargo metadata` says of the workspace, as far as the rules need it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

/// One crate of the workspace.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Its folder, relative to the root, such as `consumers/kafka`.
    pub folder: String,
    /// The packages it names as normal dependencies.
    pub direct: BTreeSet<String>,
    /// All packages that come with those.
    pub tree: BTreeSet<String>,
}

/// The crates of the workspace by name.
pub type Members = BTreeMap<String, Member>;

#[derive(Deserialize)]
struct Metadata {
    workspace_root: String,
    workspace_members: BTreeSet<String>,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Absent for normal dependencies; `dev` or `build` otherwise.
    kind: Option<String>,
}

/// Reads the workspace of `manifest_path`.
pub fn read(manifest_path: &Path) -> anyhow::Result<Members> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"], manifest_path)?;
    let metadata: Metadata = serde_json::from_str(&text).context("failed to read cargo metadata")?;

    let mut members = Members::new();
    for package in metadata.packages.iter().filter(|p| metadata.workspace_members.contains(&p.id)) {
        let folder = Path::new(&package.manifest_path)
            .parent()
            .and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok())
            .with_context(|| format!("crate {} lies outside the workspace", package.name))?;
        let direct = package.dependencies.iter().filter(|d| d.kind.is_none());
        members.insert(
            package.name.clone(),
            Member {
                folder: folder.to_string_lossy().into_owned(),
                direct: direct.map(|d| d.name.clone()).collect(),
                tree: tree(&package.name, manifest_path)?,
            },
        );
    }
    Ok(members)
}

/// All packages below `name` with just the features that `name` itself asks for: `cargo metadata` would add those that
/// other members switch on.
fn tree(name: &str, manifest_path: &Path) -> anyhow::Result<BTreeSet<String>> {
    let listing =
        cargo(&["tree", "--package", name, "--edges", "normal", "--prefix", "none"], manifest_path)?;
    let names = listing.lines().filter_map(|line| line.split(' ').next());
    Ok(names.filter(|package| *package != name && !package.is_empty()).map(str::to_owned).collect())
}

fn cargo(arguments: &[&str], manifest_path: &Path) -> anyhow::Result<String> {
    let output = Command::new("cargo")
        .args(arguments)
        .arg("--manifest-path")
        .arg(manifest_path)
        .output()
        .context("failed to run cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("cargo printed no UTF-8")
}
