use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Component;

/// What every function of this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a stack could not be raised, read or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A stack's name is part of paths and of a socket's address.
    #[error("{0:?} cannot name a stack: use 1 to 32 lower-case letters, digits and dashes, a letter first")]
    Name(String),
    /// The socket of Postgres lies in the stack's folder, and the kernel bounds its address.
    #[error("the folder {0} is too long a path for a Unix socket: set XDG_DATA_HOME to a shorter one")]
    PathTooLong(PathBuf),
    /// Nothing was ever raised under this name.
    #[error("there is no stack {0:?}: raise it with `millrace up --name {0}`")]
    Unknown(String),
    /// A file or folder.
    #[error("could not {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of ours that is not as we wrote it.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A program that could not be started at all.
    #[error("could not run {program}")]
    Run {
        /// Which program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that ran and failed.
    #[error("{program} failed ({status}){}", tail(output))]
    Failed {
        /// Which program.
        program: String,
        /// How it ended.
        status: String,
        /// The last lines it printed.
        output: String,
    },
    /// A server of the stack did not answer as it should.
    #[error("a request to a server of the stack failed")]
    Http {
        /// How.
        source: reqwest::Error,
    },
    /// Somebody else listens where a component did before.
    #[error(
        "port {port} of {component} is taken by {holder}; end that process, or take new ports with `millrace up --new-ports`"
    )]
    PortTaken {
        /// Whose port.
        component: Component,
        /// Which port.
        port: u16,
        /// Who holds it, as far as can be told.
        holder: String,
    },
    /// A running server cannot change its port.
    #[error("{0} is up; take the stack down before it gets new ports")]
    StillUp(Component),
    /// What a stack consists of is chosen once.
    #[error(
        "the stack was made with {key}={is}, not {wanted}; raise another with --name, or make it anew after `millrace down --purge`"
    )]
    Topology {
        /// What was chosen.
        key: String,
        /// How it was.
        is: String,
        /// What is asked for now.
        wanted: String,
    },
    /// No free port was found.
    #[error("no free port was found between {0} and {1}")]
    NoPort(u16, u16),
    /// A component ended while it was starting.
    #[error("{component} died at its start ({status}); the end of {log}:{}", tail(lines))]
    Died {
        /// Which.
        component: Component,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        lines: String,
    },
    /// A component runs but does not answer.
    #[error("{component} did not answer within {bound:?} ({last}); the end of {log}:{}", tail(lines))]
    NotReady {
        /// Which.
        component: Component,
        /// How long it was given.
        bound: Duration,
        /// What the last probe said.
        last: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        lines: String,
    },
    /// A process that outlived even SIGKILL.
    #[error("{component} (pid {pid}) did not end")]
    Immortal {
        /// Which.
        component: Component,
        /// Its process.
        pid: i32,
    },
    /// A fetched file is not the one that was locked.
    #[error(
        "{file} is not what the lock says and was removed:\n  locked  sha256 {expected}\n  fetched sha256 {found}"
    )]
    WrongChecksum {
        /// Which file.
        file: String,
        /// What the lock says.
        expected: String,
        /// What came.
        found: String,
    },
    /// Debian packages that only root can install.
    #[error("packages are missing; install them with\n  sudo apt-get install --no-install-recommends {0}")]
    MissingPackages(String),
    /// The disk has too little room.
    #[error("{path} has {free_mib} MiB free and {needed_mib} MiB are needed {purpose}")]
    DiskFull {
        /// Where.
        path: PathBuf,
        /// What there is.
        free_mib: u64,
        /// What is needed.
        needed_mib: u64,
        /// For what.
        purpose: &'static str,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }

    pub(crate) fn run(program: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Run { program: program.to_owned(), source }
    }
}

/// An error with its causes, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

fn tail(lines: &str) -> String {
    if lines.trim().is_empty() {
        String::new()
    } else {
        format!("\n  {}", lines.trim_end().replace('\n', "\n  "))
    }
}
