//! `millrace parked redrive`: one key or many, no faster than wanted, and whether it helped.

use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::Table;
use dead_letters::{Error, Operator, Planned, Redrive, RequestKeyShown, RequestShown};
use kafka::ParkKey;
use serde::Serialize;

use super::{FilterArgs, ViewsArgs, key, known};
use crate::exit::Exit;

/// How often a redrive that is waited for is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// Most keys that are named.
const NAMED_MAX: i64 = 100;

#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    /// The projection of one key, such as executions-postgres
    #[arg(value_name = "PROJECTION", requires = "key", required_unless_present = "projection")]
    of: Option<String>,
    /// The key as `list` shows it
    #[arg(value_parser = key::read, conflicts_with_all = ["tenant", "reason", "event_type", "since", "limit"])]
    key: Option<ParkKey>,
    // Not by leaving the key out: a variable that is empty by mistake would mean every key.
    /// Every key of this projection that fits
    #[arg(long, value_name = "PROJECTION", conflicts_with_all = ["of", "key"])]
    projection: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many keys: those of which the fewest redrives failed, then the longest parked
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// At most so many keys a second, such as 20/s or 0.1/s
    #[arg(long, value_name = "N/s", value_parser = pace)]
    rate: Option<Duration>,
    /// Leave keys alone of which so many redrives failed
    #[arg(long, value_name = "N", default_value_t = dead_letters::ATTEMPTS_MAX, value_parser = clap::value_parser!(i32).range(1..))]
    attempts_max: i32,
    /// Leave no key alone
    #[arg(long, conflicts_with = "attempts_max")]
    force: bool,
    /// Wait until each key is gone or has failed again; status 10 when any is left
    #[arg(long)]
    wait: bool,
    /// Longest wait, in seconds
    #[arg(long, value_name = "S", default_value_t = 300)]
    wait_s_max: u64,
    /// Who asks
    #[arg(long, env = "USER", default_value = "operator")]
    actor: String,
    /// Print JSON, one object at the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    views: ViewsArgs,
}

/// What a redrive has come to so far.
#[derive(Debug, Serialize)]
pub(crate) struct Redriven {
    request: RequestShown,
    /// It was asked for before and cut short; this goes on with it.
    goes_on: bool,
    /// Keys that are meant, besides, and left alone because too many redrives of them failed.
    left_alone: i64,
    /// The first that are neither done nor passed over.
    left: Vec<RequestKeyShown>,
}

impl Redriven {
    /// As it is now.
    pub(crate) async fn now(operator: &mut Operator<'_>, planned: &Planned) -> Result<Self, Error> {
        let Planned { request, goes_on, exhausted: left_alone } = *planned;
        let left = operator.request_keys_left(request, NAMED_MAX).await?;
        Ok(Self { request: operator.request(request).await?, goes_on, left_alone, left })
    }

    fn is_drained(&self) -> bool {
        self.request.is_over() && self.request.failed == 0 && self.left_alone == 0
    }
}

impl RedriveArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let mut filter = self.filter.of(self.projection.or(self.of));
        filter.key = self.key;
        let attempts_max = (!self.force).then_some(self.attempts_max);
        let redrive = Redrive { filter, keys_max: self.limit, attempts_max };
        let mut connection = self.views.connect().await?;
        let mut operator = Operator::new(&mut connection);
        if let Some(projection) = &redrive.filter.projection {
            known(&mut operator, projection).await?;
        }
        let planned = operator.plan(&redrive, &self.actor).await?;
        let told = operator.request(planned.request).await?;
        if !self.json {
            announce(&planned, &told, self.attempts_max);
        }
        ask(&mut operator, planned.request, self.rate).await?;
        if self.wait {
            answered(&mut operator, planned.request, self.wait_s_max).await?;
        }
        let redriven = Redriven::now(&mut operator, &planned).await?;
        if self.json {
            println!("{}", serde_json::to_string(&redriven)?);
        } else {
            report(&redriven.request, &redriven.left, self.wait);
        }
        Ok(if self.wait && !redriven.is_drained() { Exit::Difference } else { Exit::Ok })
    }
}

/// Reads a rate as the time from one key to the next.
fn pace(rate: &str) -> Result<Duration, String> {
    let per_second: f64 =
        rate.strip_suffix("/s").unwrap_or(rate).parse().map_err(|_| "no number of keys a second")?;
    match Duration::try_from_secs_f64(per_second.recip()) {
        Ok(pace) if !pace.is_zero() => Ok(pace),
        _ => Err("a rate is more than none, and not endless".to_owned()),
    }
}

/// Asks for key after key, evenly.
async fn ask(operator: &mut Operator<'_>, request: i64, pace: Option<Duration>) -> anyhow::Result<()> {
    let mut pace = pace.map(tokio::time::interval);
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        if operator.ask_next(request).await?.is_none() {
            return Ok(());
        }
    }
}

/// Waits until the owners have answered, or for so many seconds; answers how far it got.
pub(super) async fn answered(
    operator: &mut Operator<'_>,
    request: i64,
    wait_s_max: u64,
) -> anyhow::Result<RequestShown> {
    let until = Instant::now() + Duration::from_secs(wait_s_max);
    loop {
        let reached = operator.request(request).await?;
        if reached.is_over() || Instant::now() >= until {
            return Ok(reached);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn announce(planned: &Planned, told: &RequestShown, attempts_max: i32) {
    let RequestShown { id, keys, to_ask, requested_at, actor, .. } = told;
    if planned.goes_on {
        let at = requested_at.to_rfc3339();
        println!(
            "goes on with request {id} of {actor} at {at}: {to_ask} of {keys} keys are still to be asked for"
        );
    } else {
        println!("request {id}: {keys} keys");
    }
    if planned.exhausted > 0 {
        println!(
            "{} keys are left alone: {attempts_max} redrives of each failed; --force redrives them too",
            planned.exhausted
        );
    }
}

/// What became of the keys, or that their owners are asked.
pub(super) fn report(reached: &RequestShown, left: &[RequestKeyShown], was_waited_for: bool) {
    let RequestShown { projection, keys, done, failed, to_ask, open, passed_over, .. } = reached;
    if !was_waited_for {
        return println!("redrive of {} keys of {projection} is asked for", keys - passed_over);
    }
    println!("drained {done}, left {failed}, not answered yet {}, passed over {passed_over}", to_ask + open);
    if left.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.set_header(["partition", "key", "reason", "message"]);
    for key in left {
        table.add_row([
            key.partition.to_string(),
            key.key().to_string(),
            key.reason.clone().unwrap_or_else(|| "not answered yet".to_owned()),
            key.message.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_time_from_one_key_to_the_next() {
        assert_eq!(pace("20/s"), Ok(Duration::from_millis(50)));
        assert_eq!(pace("0.1"), Ok(Duration::from_secs(10)));
        for rate in ["0", "-1", "inf", "NaN", "1e-300", "1e300", "many", "/s", ""] {
            assert!(pace(rate).is_err(), "{rate:?} is no rate");
        }
    }
}
