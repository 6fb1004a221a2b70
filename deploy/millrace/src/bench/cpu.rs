//! The time that processes spent on a core.

use std::collections::BTreeMap;

use anyhow::Context;
use nix::unistd::{SysconfVar, sysconf};

/// Seconds that a process, the ones it ended and its children so far spent on a core: a server of many processes is one.
pub(crate) fn seconds(pid: i32) -> anyhow::Result<f64> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("failed to list /proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        all.extend(Spent::of(pid).map(|spent| (pid, spent)));
    }
    let own = all.get(&pid).with_context(|| format!("there is no process {pid}"))?;
    let children: u64 = all.values().filter(|spent| spent.parent == pid).map(|spent| spent.itself).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel tells no clock")?;
    Ok((own.itself + own.ended + children) as f64 / per_second as f64)
}

/// Clock ticks, as the kernel counts them (proc(5)).
struct Spent {
    parent: i32,
    itself: u64,
    ended: u64,
}

impl Spent {
    /// `None`: it is gone.
    fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Its name, in brackets, may hold anything.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 2..].split(' ').collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            itself: ticks(11)? + ticks(12)?,
            ended: ticks(13)? + ticks(14)?,
        })
    }
}
