//! The Debian packages that the stack needs: installed when the caller is root, named when not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::Uid;
use tokio::process::Command;

use crate::postgres::Postgres;
use crate::process::run;
use crate::progress::Progress;
use crate::redis::Redis;
use crate::{Error, Result, lock};

/// What the stack takes from Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    Postgres,
    Redis,
    /// Fetches jars.
    Maven,
    /// Fetches the Java runtime.
    Pip,
}

impl Package {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql-15",
            Self::Redis => "redis-server",
            Self::Maven => "maven",
            Self::Pip => "python3-pip",
        }
    }

    pub(crate) async fn installed(self) -> bool {
        match self {
            Self::Postgres => Postgres::any().is_some(),
            Self::Redis => Redis::installed().is_some(),
            Self::Maven => run(Command::new("mvn").arg("--version"), "").await.is_ok(),
            Self::Pip => lock::python().await.is_some(),
        }
    }
}

/// Makes sure that packages are there.
pub(crate) async fn require(packages: &[Package], progress: &Progress) -> Result<()> {
    let mut missing = Vec::new();
    for package in packages {
        if !package.installed().await {
            missing.push(package.name());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(Error::MissingPackages(missing.join(" ")));
    }
    let step = progress.step("packages", &format!("installing {}", missing.join(" ")));
    install(&missing).await?;
    step.done(&format!("installed {}", missing.join(" ")));
    Ok(())
}

/// Installs without starting any service, now or when the machine starts: the distribution's own Postgres and Redis
/// are none of ours, and would take their well-known ports.
async fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=600"]).args(arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        apt
    };
    run(&mut apt(&["update"]), "").await.ok(); // an older list may do; if it does not, the installation says so
    let _services_stay_down = Policy::deny()?;
    run(apt(&["install", "--no-install-recommends"]).args(packages), "").await?;
    for (package, service) in [("postgresql-15", "postgresql"), ("redis-server", "redis-server")] {
        if packages.contains(&package) {
            run(Command::new("systemctl").args(["disable", service]), "").await.ok(); // machines without systemd
        }
    }
    Ok(())
}

/// While it lives, installing a package starts no service. An administrator's own policy is left alone.
#[derive(Debug)]
struct Policy {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl Policy {
    fn deny() -> Result<Self> {
        let path = Path::new(POLICY);
        const TEXT: &str = "#!/bin/sh\n# millrace: while its packages are being installed\nexit 101\n";
        let ours = fs::read_to_string(path).map_or(true, |text| text == TEXT); // one that a killed run left is ours
        if ours {
            fs::write(path, TEXT).map_err(Error::file("write", path))?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))
                .map_err(Error::file("write", path))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours {
            fs::remove_file(POLICY).ok(); // the next installation takes a left one for its own
        }
    }
}
