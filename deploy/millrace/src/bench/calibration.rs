//! What this machine can do right now: runs on shared machines differ several times over.

use std::fmt;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::Context;
use events::ExecutionEvent;
use events::execution::ToolUsed;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use wire::{Decode, Encoder};

/// Numbers to hold a result against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Calibration {
    cores: usize,
    /// Median of writing and syncing 8 KiB.
    fdatasync_us: f64,
    /// Median of `select 1` over the socket.
    postgres_round_trip_us: f64,
    /// Median of `PING`.
    redis_round_trip_us: f64,
    /// Decoding one small event, per core.
    avro_decode_per_s: f64,
    /// Share of the last ten seconds in which something waited for a core, in percent.
    cpu_pressure_avg10: Option<f64>,
    /// Share of time that the hypervisor gave to others since boot, in percent.
    steal_percent: Option<f64>,
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores, fdatasync {:.0} us, postgres {:.0} us, redis {:.0} us, avro decode {:.0} k/s",
            self.cores,
            self.fdatasync_us,
            self.postgres_round_trip_us,
            self.redis_round_trip_us,
            self.avro_decode_per_s / 1_000.0,
        )?;
        if let Some(pressure) = self.cpu_pressure_avg10 {
            write!(f, ", cpu pressure {pressure:.0} %")?;
        }
        if let Some(steal) = self.steal_percent {
            write!(f, ", steal {steal:.1} %")?;
        }
        Ok(())
    }
}

/// Measures; takes about a second.
pub(crate) async fn measure(postgres_url: &str, redis_url: &str) -> anyhow::Result<Calibration> {
    Ok(Calibration {
        cores: std::thread::available_parallelism()?.get(),
        fdatasync_us: fdatasync()?,
        postgres_round_trip_us: postgres(postgres_url).await?,
        redis_round_trip_us: redis(redis_url).await?,
        avro_decode_per_s: avro()?,
        cpu_pressure_avg10: pressure(),
        steal_percent: steal(),
    })
}

const ROUNDS: usize = 200;

fn median(mut micros: Vec<f64>) -> f64 {
    micros.sort_by(f64::total_cmp);
    micros[micros.len() / 2]
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

fn fdatasync() -> anyhow::Result<f64> {
    let folder = std::env::current_dir()?;
    let path = folder.join(format!(".fdatasync-{}", std::process::id()));
    let mut file =
        std::fs::File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        file.write_all(&[0; 8192])?;
        nix::unistd::fdatasync(file.as_fd())?;
        times.push(micros(start));
    }
    std::fs::remove_file(&path)?;
    Ok(median(times))
}

async fn postgres(url: &str) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(url).await.context("failed to connect to Postgres")?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        sqlx::query("select 1").execute(&mut connection).await?;
        times.push(micros(start));
    }
    Ok(median(times))
}

async fn redis(url: &str) -> anyhow::Result<f64> {
    let first = url.split(',').next().unwrap_or_default();
    let client = redis::Client::open(first).context("failed to read the Redis URL")?;
    let mut connection =
        client.get_multiplexed_async_connection().await.context("failed to connect to Redis")?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let _: String = redis::cmd("PING").query_async(&mut connection).await?;
        times.push(micros(start));
    }
    Ok(median(times))
}

fn avro() -> anyhow::Result<f64> {
    let encoder = Encoder::<ExecutionEvent>::with_ids(1)?;
    let decoder = encoder.decoder();
    let payload = encoder.encode(&ExecutionEvent::ToolUsed(ToolUsed {
        execution_id: events::ExecutionId(uuid::Uuid::nil()),
        occurred_at: events::Timestamp::from_micros(0),
        step: 1,
        tool: Some("grep".to_owned()),
        exit_code: Some(0),
        output_bytes: 1_000,
    }))?;
    const DECODES: u32 = 100_000;
    let start = Instant::now();
    for _ in 0..DECODES {
        std::hint::black_box(decoder.decode(std::hint::black_box(&payload))?);
    }
    Ok(f64::from(DECODES) / start.elapsed().as_secs_f64())
}

fn pressure() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let some = text.lines().find(|line| line.starts_with("some"))?;
    some.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

fn steal() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let all: f64 = ticks.iter().take(8).sum();
    Some(ticks.get(7)? / all * 100.0)
}
