//! How a projector runs.

use std::time::Duration;

use clap::{Args, ValueEnum};
use events::EventId;
use rdkafka::ClientConfig;

use crate::broker::{BrokerConfig, Password};

/// How a projector reads, batches and parks.
#[derive(Debug, Clone, Args)]
pub struct ProjectorConfig {
    /// User that may read the event topics
    #[arg(long, env = "MILLRACE_KAFKA_PROJECTOR_USER", default_value = "projector")]
    pub projector_user: String,

    /// Its password; without one the broker is spoken to in the clear
    #[arg(long, env = "MILLRACE_KAFKA_PROJECTOR_PASSWORD", hide_env_values = true)]
    pub projector_password: Option<Password>,

    /// Who hands out partitions: the broker (`consumer`, KIP-848) or a member of the group (`classic`, for brokers
    /// before 4.0)
    #[arg(long, env = "MILLRACE_GROUP_PROTOCOL", value_enum, default_value_t = GroupProtocol::Consumer)]
    pub group_protocol: GroupProtocol,

    /// A name that this process keeps when it is started again, one of its own in the group: it gets its partitions back, and
    /// meanwhile, for as long as a session lasts, nobody else does. Without one the others take over at once
    #[arg(long, env = "MILLRACE_GROUP_INSTANCE", value_name = "NAME")]
    pub group_instance: Option<String>,

    /// Most records in one transaction. The more of a backlog one takes, the more events fall to a row that is written once
    #[arg(long, env = "MILLRACE_BATCH_RECORDS_MAX", default_value_t = 8_000)]
    pub batch_records_max: usize,

    /// Longest wait for more records, and only while commits are the bottleneck, in milliseconds
    #[arg(long, env = "MILLRACE_LINGER_MS_MAX", default_value_t = 5)]
    pub linger_ms_max: u64,

    /// Most records between the poll thread and the writer
    #[arg(long, env = "MILLRACE_QUEUE_RECORDS_MAX", default_value_t = 4_000)]
    pub queue_records_max: usize,

    /// Most kilobytes between the poll thread and the writer, and as many again that are read while the sink is at work
    #[arg(long, env = "MILLRACE_QUEUE_KILOBYTES_MAX", default_value_t = 6_144)]
    pub queue_kilobytes_max: usize,

    /// Most kilobytes that librdkafka fetches ahead
    #[arg(long, env = "MILLRACE_FETCH_KILOBYTES_MAX", default_value_t = 8_192)]
    pub fetch_kilobytes_max: u32,

    /// Rows kept in memory so that the next event of an aggregate needs no read
    #[arg(long, env = "MILLRACE_ROWS_CACHED_MAX", default_value_t = 20_000)]
    pub rows_cached_max: usize,

    /// Longest wait for one answer of the sink, in milliseconds
    #[arg(long, env = "MILLRACE_SINK_TIMEOUT_MS", default_value_t = 10_000)]
    pub sink_timeout_ms: u64,

    /// Most parked keys of one partition; the next one stops the partition
    #[arg(long, env = "MILLRACE_PARKED_KEYS_MAX", default_value_t = 1_000)]
    pub parked_keys_max: usize,

    /// Most parked records of one partition; the next one stops the partition
    #[arg(long, env = "MILLRACE_PARKED_EVENTS_MAX", default_value_t = 100_000)]
    pub parked_events_max: u64,

    /// Most parked keys of one tenant in one partition; the next one stops the partition, while others still have room
    #[arg(long, env = "MILLRACE_TENANT_PARKED_KEYS_MAX", default_value_t = 500)]
    pub tenant_parked_keys_max: usize,

    /// Most parked records of one tenant in one partition; the next one stops the partition
    #[arg(long, env = "MILLRACE_TENANT_PARKED_EVENTS_MAX", default_value_t = 50_000)]
    pub tenant_parked_events_max: u64,

    /// Records that fail one after another before the partition stops: that is a bad deploy, not a bad record
    #[arg(long, env = "MILLRACE_FAILURES_IN_A_ROW_MAX", default_value_t = 50)]
    pub failures_in_a_row_max: u32,

    /// How many of a partition's last records failures are counted over; at most 128
    #[arg(long, env = "MILLRACE_FAILURES_WINDOW", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub failures_window: u32,

    /// Failures among the last records, in percent, beyond which the partition stops: a bad deploy may spare some events
    #[arg(long, env = "MILLRACE_FAILURES_PERCENT_MAX", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub failures_percent_max: u32,

    /// How long a stopped partition waits before it looks again, in milliseconds
    #[arg(long, env = "MILLRACE_STOPPED_RETRY_MS", default_value_t = 10_000)]
    pub stopped_retry_ms: u64,

    /// Events to refuse, by id: their keys park. For drills, and to hold an event back until a fix is out
    #[arg(long, env = "MILLRACE_REFUSE_EVENTS", value_delimiter = ',')]
    pub refuse_events: Vec<EventId>,
}

/// Who hands out the partitions of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupProtocol {
    /// The broker (KIP-848).
    Consumer,
    /// A member of the group, cooperatively.
    Classic,
}

impl ProjectorConfig {
    /// A poll thread that answers nobody for so long gets help from the watchdog, well before Kafka throws it out.
    pub(crate) const POLL_SILENCE_MAX: Duration = Duration::from_secs(30);

    pub(crate) fn consumer(&self, broker: &BrokerConfig, group: &str) -> ClientConfig {
        let mut client = broker.client(&self.projector_user, self.projector_password.as_ref());
        client
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The offsets are the sink's: an offset that is not there means lost data, which nothing may paper over.
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .set("isolation.level", "read_committed")
            // Tells that there is nothing more even where the last offsets hold no record.
            .set("enable.partition.eof", "true")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "100")
            // The default of a second turns back-pressure into second-long gaps.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.min.messages", "10000")
            // One answer of a broker is a part of what is fetched ahead, not fifty megabytes; and of a backlog it is one
            // partition's, so that a batch has few keys with many events each.
            .set("fetch.max.bytes", "4194304")
            .set("max.partition.fetch.bytes", "4194304")
            .set("queued.max.messages.kbytes", self.fetch_kilobytes_max.to_string())
            .set("max.poll.interval.ms", "120000")
            .set("statistics.interval.ms", "1000");
        if let Some(instance) = &self.group_instance {
            client.set("group.instance.id", instance);
        }
        match self.group_protocol {
            GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
            GroupProtocol::Classic => client
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", "10000"),
        };
        client
    }

    pub(crate) fn sink_timeout(&self) -> Duration {
        Duration::from_millis(self.sink_timeout_ms.max(1))
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        broker: BrokerConfig,
        #[command(flatten)]
        projector: ProjectorConfig,
    }

    #[test]
    fn both_group_protocols_make_a_client() {
        for protocol in ["consumer", "classic"] {
            let line = ["p", "--kafka-bootstrap", "127.0.0.1:1", "--group-protocol", protocol];
            let program = Program::parse_from(line);
            let config = program.projector.consumer(&program.broker, "g");
            let made: Result<rdkafka::consumer::BaseConsumer, _> = config.create();
            assert!(made.is_ok(), "{protocol}: {:?}", made.err());
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let line = ["p", "--kafka-bootstrap", "x", "--projector-password", "secret"];
        let program = Program::parse_from(line);
        assert!(!format!("{:?}", program.projector).contains("secret"));
    }
}
