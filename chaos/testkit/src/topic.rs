use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::{stack, unique};

/// Makes a topic of this name and a random suffix, and answers its full name once it exists.
pub async fn topic(prefix: &str, partitions: i32) -> String {
    let name = unique(prefix);
    let admin: AdminClient<DefaultClientContext> =
        stack().kafka("admin").create().expect("the settings are valid");
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let wanted = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let answers = admin.create_topics([&wanted], &options).await.expect("Kafka answers");
    for answer in answers {
        answer.unwrap_or_else(|(name, error)| panic!("the topic {name} could not be made: {error}"));
    }
    name
}
