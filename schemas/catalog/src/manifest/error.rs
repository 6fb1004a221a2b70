use std::path::PathBuf;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No such file, or not for us.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not the shape of a manifest; says where.
    #[error("{from}: {reason}")]
    Parse {
        /// Which file.
        from: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A manifest that contradicts itself.
    #[error("{from}, line {line}: {reason}")]
    Contradiction {
        /// Which file.
        from: String,
        /// Where the entry begins that cannot be.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Manifests that contradict each other.
    #[error("the manifests cannot be taken together: {reason}")]
    Together {
        /// What is wrong.
        reason: String,
    },
}
