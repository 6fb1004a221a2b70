//! `millrace status` and `millrace doctor`: what the local stack says, printed.

use local::{DoctorArgs, StatusArgs, Verdict};

use crate::exit::Exit;

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
