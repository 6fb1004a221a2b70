//! Checks of this workspace that no ready-made tool does. `cargo xtask <check>`.

mod dependencies;
mod documents;
mod generated;
mod metadata;
mod plot;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Checks of this workspace that no ready-made tool does.
#[derive(Debug, Parser)]
enum Check {
    /// Holds the rules of dependency (ARCHITECTURE.md, "Rules of dependency") over `cargo metadata`.
    Dependencies {
        /// The workspace to check; a test plants its violations in another one.
        #[arg(long, default_value = "Cargo.toml")]
        manifest_path: PathBuf,
    },
    /// Looks for the tests that ARCHITECTURE.md and chaos/SCENARIOS.md name.
    Documents,
    /// Compares what is generated from code with what is committed.
    Generated {
        /// Renew what is committed.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let (check, found) = match Check::parse() {
        Check::Dependencies { manifest_path } => {
            ("dependencies", dependencies::violations(&metadata::read(&manifest_path)?))
        }
        Check::Documents => ("documents", documents::missing_tests()?),
        Check::Generated { write } => ("generated", generated::differences(write)?),
    };
    for finding in &found {
        eprintln!("{finding}");
    }
    println!("{check}: {} found", found.len());
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
