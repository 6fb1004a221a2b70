//! Under which name the registry keeps a schema.

/// The subject of a record in a topic, by the TopicRecordName strategy: `<topic>-<namespace>.<record>`.
///
/// Several types share a topic, and each keeps its own compatibility history.
pub fn subject(topic: &str, namespace: &str, record: &str) -> String {
    format!("{topic}-{namespace}.{record}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_subject_names_topic_and_record() {
        assert_eq!(
            super::subject("agents.execution.events", "agents.execution", "ExecutionStarted"),
            "agents.execution.events-agents.execution.ExecutionStarted"
        );
    }
}
