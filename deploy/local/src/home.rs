use std::path::PathBuf;

use nix::unistd::Uid;

/// Where the stacks of a user lie, and the cache that they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// One folder per stack below it.
    pub data: PathBuf,
    /// What was fetched.
    pub cache: PathBuf,
}

impl Home {
    /// As root `/var/lib/millrace` and `/var/cache/millrace`, which the account of Postgres can reach; otherwise the
    /// caller's XDG folders.
    pub fn of_the_caller() -> Self {
        if Uid::effective().is_root() {
            return Self { data: "/var/lib/millrace".into(), cache: "/var/cache/millrace".into() };
        }
        Self {
            data: xdg("XDG_DATA_HOME", ".local/share").join("millrace"),
            cache: xdg("XDG_CACHE_HOME", ".cache").join("millrace"),
        }
    }
}

/// The XDG rule: an absolute path in the variable, or the default below the caller's home.
fn xdg(variable: &str, default: &str) -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set(variable).unwrap_or_else(|| set("HOME").unwrap_or_else(|| "/tmp".into()).join(default))
}
