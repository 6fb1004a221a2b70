//! The most memory that a process kept.

use anyhow::Context;

use crate::role::Role;

/// What forgets the highest mark, so that it counts from now (proc(5)).
const FORGET: (&str, &str) = ("/proc/self/clear_refs", "5");

/// Begins to count for this process.
pub(crate) fn forget_peak() -> anyhow::Result<()> {
    let (path, what) = FORGET;
    std::fs::write(path, what).with_context(|| format!("failed to write {path}"))
}

/// The highest since then, in MiB.
pub(crate) fn peak_mib() -> anyhow::Result<f64> {
    peak("/proc/self/status")
}

/// The highest that a role has kept, in MiB.
pub(crate) fn peak_of(role: &Role) -> anyhow::Result<f64> {
    let pid = role.pid().context("it has ended")?;
    peak(&format!("/proc/{pid}/status"))
}

fn peak(status: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(status).with_context(|| format!("failed to read {status}"))?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    let kib: f64 = peak.and_then(|kib| kib.trim().parse().ok()).context("the kernel tells no VmHWM")?;
    Ok(kib / 1024.0)
}
