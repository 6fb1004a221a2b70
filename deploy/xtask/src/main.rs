//! Checks of this workspace that no ready-made tool does. `cargo xtask <check>`.

mod dependencies;
mod metadata;

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
}

fn main() -> anyhow::Result<ExitCode> {
    let Check::Dependencies { manifest_path } = Check::parse();
    let violations = dependencies::violations(&metadata::read(&manifest_path)?);
    for violation in &violations {
        eprintln!("{violation}");
    }
    println!("dependencies: {} violations", violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
