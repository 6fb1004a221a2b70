//! `millrace status` and `millrace doctor`: what the local stack says, printed.

use local::{DoctorArgs, StatusArgs, Verdict};

use crate::exit::Exit;
use crate::stack_defaults;

pub(crate) async fn status(args: &StatusArgs) -> anyhow::Result<Exit> {
    let status = local::status(args).await?;
    if args.json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        println!("{status}");
    }
    Ok(if status.is_up() { Exit::Ok } else { Exit::Failed })
}

pub(crate) async fn doctor(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let diagnosis = local::doctor(args).await?;
    println!("{diagnosis}");
    Ok(if diagnosis.verdict() == Verdict::Fail { Exit::Failed } else { Exit::Ok })
}

/// `millrace env`.
pub(crate) fn env(name: &str) -> anyhow::Result<Exit> {
    local::Stack::open(name)?.env()?; // says what is wrong with a stack that was never raised
    for (name, value) in stack_defaults::facts(name) {
        println!("{name}={value}");
    }
    Ok(Exit::Ok)
}
