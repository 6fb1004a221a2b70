//! The ledger beside everything that goes on: it finds nothing where nothing is wrong, however much is on its way.

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{PATIENCE, Role, Runs, World, eventually, finish, import, tenant};

#[tokio::test]
async fn the_ledger_proves_views_while_events_arrive_and_projectors_are_killed() {
    let (world, tenant, runs) = (World::shared(), tenant("ledger"), Runs::sample(60));
    let ledger = Role::start(&world, "ledger", &[("MILLRACE_LEDGER_EVERY_S", "1")]);
    let mut watching = world.program.start(&["verify", "--json", "--watch", "1"]);
    let mut reports = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut projector = Role::projector(&world).await;
    let arguments = import(&runs, &tenant);
    let importing = world.program.start(&arguments);
    for _ in 0..2 {
        let report: Value = serde_json::from_str(&reports.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(report["findings"], Value::Array(vec![]), "{report:#}");
        projector.kill().await;
        projector = Role::projector(&world).await;
    }
    assert_eq!(finish(importing, &arguments).await.code, 0);
    world.drained(&tenant).await;
    let appended = world.appended(&tenant).await;
    loop {
        let report: Value = serde_json::from_str(&reports.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(report["findings"], Value::Array(vec![]), "{report:#}");
        let sinks = report["sinks"].as_array().unwrap();
        let has_all = report["events"].as_u64().unwrap() >= appended; // earlier reports may still be in the pipe
        if has_all && sinks.iter().all(|sink| sink["in_flight"] == 0) {
            assert_eq!(report["verdict"], "proved", "{report:#}");
            break;
        }
    }
    let pid = nix::unistd::Pid::from_raw(watching.id().unwrap().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(watching.wait().await.unwrap().code(), Some(0));

    let shows = async |name: &str| ledger.metric(&format!("millrace_ledger_{name}")).await;
    let at = shows("proved_timestamp_seconds").await;
    eventually("the ledger proves it again, with nothing on its way", PATIENCE, async || {
        shows("proved_timestamp_seconds").await > at && shows("in_flight_rows").await == Some(0.0)
    })
    .await;
    assert_eq!((shows("findings").await, shows("late_rows").await), (Some(0.0), Some(0.0)));
    assert!(shows("rows").await >= Some(120.0), "both sinks' rows");
    ledger.stop().await;
    projector.stop().await;
}
