//! The most memory that this process kept while it did something.

use anyhow::Context;

const STATUS: &str = "/proc/self/status";
/// What forgets the highest mark, so that it counts from now (proc(5)).
const FORGET: (&str, &str) = ("/proc/self/clear_refs", "5");

/// Begins to count.
pub(crate) fn forget_peak() -> anyhow::Result<()> {
    let (path, what) = FORGET;
    std::fs::write(path, what).with_context(|| format!("failed to write {path}"))
}

/// The highest since then, in MiB.
pub(crate) fn peak_mib() -> anyhow::Result<f64> {
    peak_of(STATUS)
}

/// The highest that any process has kept, by the file that the kernel tells it in.
pub(crate) fn peak_of(status: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(status).with_context(|| format!("failed to read {status}"))?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    let kib: f64 = peak.and_then(|kib| kib.trim().parse().ok()).context("the kernel tells no VmHWM")?;
    Ok(kib / 1024.0)
}
