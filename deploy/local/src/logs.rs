use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::files::{last_lines, length};
use crate::{Component, Error, LogsArgs, Result};

/// Prints the ends of the components' logs; follows them if asked, until the caller ends it.
pub async fn logs(args: &LogsArgs) -> Result<()> {
    let stack = args.stack.open()?;
    let all = stack.components()?; // names a stack that was never raised
    let wanted: Vec<Component> = args.component.map_or(all, |component| vec![component]);
    let name =
        |component: Component| if wanted.len() > 1 { format!("{component:17}") } else { String::new() };
    let mut read: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for component in &wanted {
        let log = stack.log(*component);
        read.insert(log.clone(), length(&log));
        print(&name(*component), &last_lines(&log, 0, args.lines))?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        sleep(Duration::from_millis(200)).await;
        for component in &wanted {
            let log = stack.log(*component);
            let from = read.get_mut(&log).expect("every wanted log was entered");
            print(&name(*component), &added(&log, from)?)?;
        }
    }
}

/// The whole lines that a log has gained; one that was begun anew is read from its start.
fn added(log: &Path, from: &mut u64) -> Result<String> {
    if length(log) < *from {
        *from = 0;
    }
    if length(log) == *from {
        return Ok(String::new());
    }
    let read = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(*from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut bytes = read().map_err(Error::file("read", log))?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    *from += bytes.len() as u64;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print(prefix: &str, lines: &str) -> Result<()> {
    let mut out = stdout().lock();
    let mut write = || lines.lines().try_for_each(|line| writeln!(out, "{prefix}{line}"));
    write().map_err(Error::run("the output of logs")) // whoever read it has closed it
}
