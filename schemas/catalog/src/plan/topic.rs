//! One topic as declared and as found.

use super::{Plan, Refusal, Step};
use crate::{Permits, Topic, TopicState};

pub(super) fn creation(topic: &Topic, brokers: u32) -> Step {
    Step::CreateTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replicas: topic.copies(brokers).0,
        settings: topic.settings(brokers),
    }
}

impl Plan {
    pub(super) fn compare(&mut self, topic: &Topic, found: &TopicState, brokers: u32, permits: &Permits) {
        let before = self.steps.len() + self.refusals.len();
        self.partitions(topic, found.partitions, permits);
        let (name, (replicas, _)) = (&topic.name, topic.copies(brokers));
        if found.replicas < replicas {
            let found = found.replicas;
            self.refusals.push(Refusal::Replicas { topic: name.clone(), declared: replicas, found });
        }
        let declared = topic.settings(brokers);
        let setting = |setting: &str| found.settings.get(setting).map(String::as_str);
        let kept = Keeps::of(setting("cleanup.policy"), setting("retention.ms"));
        let keep = Keeps::of(
            declared.get("cleanup.policy").map(String::as_str),
            declared.get("retention.ms").map(String::as_str),
        );
        if keep.less_than(kept) && !permits.shrink_retention.contains(name) {
            self.refusals.push(Refusal::Shrinks { topic: name.clone(), from: kept, to: keep });
        }
        for (setting, to) in declared {
            let from = found.settings.get(setting).cloned();
            if from.as_ref() != Some(&to) {
                self.steps.push(Step::Set { topic: name.clone(), setting, from, to });
            }
        }
        if self.steps.len() + self.refusals.len() == before {
            self.unchanged += 1;
        }
    }

    fn partitions(&mut self, topic: &Topic, found: u32, permits: &Permits) {
        let (name, declared) = (&topic.name, topic.partitions);
        let grows = declared > found && (topic.key.is_none() || permits.grow_keyed.contains(name));
        if grows {
            self.steps.push(Step::GrowTopic { topic: name.clone(), from: found, to: declared });
        } else if declared != found {
            self.refusals.push(Refusal::Partitions { topic: name.clone(), declared, found });
        }
    }
}

/// What stays of the records that were written to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// For how many milliseconds; none when they do not go by age.
    ms_max: Option<u64>,
    /// Whether the newest of a key is all that stays.
    newest_only: bool,
}

impl Keeps {
    /// From Kafka's `cleanup.policy` and `retention.ms`; where one is absent, Kafka's own default counts.
    fn of(cleanup: Option<&str>, retention_ms: Option<&str>) -> Self {
        let cleanup = cleanup.unwrap_or("delete");
        let ms = retention_ms.map_or(Ok(7 * 86_400_000), str::parse::<i64>);
        let ms_max = ms.ok().and_then(|ms| u64::try_from(ms).ok()); // -1 is no limit
        let by_age = cleanup.split(',').any(|policy| policy.trim() == "delete");
        let newest_only = cleanup.split(',').any(|policy| policy.trim() == "compact");
        Self { ms_max: ms_max.filter(|_| by_age), newest_only }
    }

    fn less_than(self, other: Self) -> bool {
        let limit = |keeps: Self| keeps.ms_max.unwrap_or(u64::MAX);
        (self.newest_only && !other.newest_only) || limit(self) < limit(other)
    }
}

impl std::fmt::Display for Keeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.newest_only { "the newest record of each key" } else { "every record" };
        match self.ms_max {
            None => write!(f, "{what} forever"),
            Some(ms) => write!(f, "{what} for {}", crate::Retention::Millis(ms)),
        }
    }
}
