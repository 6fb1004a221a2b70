//! The topics and their events as AsyncAPI 3.0 (asyncapi.com/docs/reference/specification/v3.0.0), with Kafka bindings 0.5.

use serde_json::{Map, Value, json};

use super::Described;
use crate::{Manifest, Topic, Tree, TreeError};

const AVRO: &str = "application/vnd.apache.avro+json;version=1.9.0";
const BINDING: &str = "0.5.0";

/// The document, keys in order.
pub fn asyncapi(tree: &Tree, manifest: &Manifest) -> Result<Value, TreeError> {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for (name, types) in &tree.topics {
        let topic = manifest.topic(name);
        let mut of_channel = Map::new();
        for (event, record) in types {
            let described = Described::new(tree, name, event, record)?;
            let id = format!("{name}.{event}");
            of_channel.insert(event.clone(), json!({ "$ref": format!("#/components/messages/{id}") }));
            messages.insert(id, message(&described));
        }
        channels.insert(name.clone(), channel(name, topic, of_channel));
        operations.extend(topic.into_iter().flat_map(|topic| operations_of(topic, manifest)));
    }
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is on the topics: made of the schema files and the manifest of topics.",
        },
        "defaultContentType": "avro/binary",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "messageTraits": { "event": event() } },
    }))
}

fn channel(name: &str, topic: Option<&Topic>, messages: Map<String, Value>) -> Value {
    let mut channel = json!({ "address": name, "messages": messages });
    if let Some(topic) = topic {
        // The bindings know policies as a list and times as numbers; the rest of the settings is not theirs.
        let policies = json!([topic.settings(topic.replicas)["cleanup.policy"]]);
        let settings = json!({ "cleanup.policy": policies, "retention.ms": topic.retention.ms() });
        channel["description"] = json!(topic.purpose);
        channel["bindings"] = json!({ "kafka": {
            "topic": name, "partitions": topic.partitions, "replicas": topic.replicas,
            "topicConfiguration": settings, "bindingVersion": BINDING,
        } });
        channel["x-owner"] = json!(topic.owner);
    }
    channel
}

/// Who sends to a topic and who receives from it.
fn operations_of(topic: &Topic, manifest: &Manifest) -> Vec<(String, Value)> {
    let channel = json!({ "$ref": format!("#/channels/{}", topic.name) });
    let sends = manifest.writers(topic).map(|user| {
        let operation = json!({ "action": "send", "channel": channel, "summary": user.purpose });
        (format!("{}.send.{}", topic.name, user.name), operation)
    });
    let receives = topic.consumers.iter().map(|group| {
        let group_id = json!({ "type": "string", "enum": [group] });
        let operation = json!({
            "action": "receive", "channel": channel,
            "bindings": { "kafka": { "groupId": group_id, "bindingVersion": BINDING } },
        });
        (format!("{}.receive.{group}", topic.name), operation)
    });
    sends.chain(receives).collect()
}

fn message(described: &Described<'_>) -> Value {
    let mut message = json!({
        "name": described.name,
        "title": format!("{}, version {}", described.name, described.version),
        "summary": described.doc(),
        "traits": [{ "$ref": "#/components/messageTraits/event" }],
        "payload": { "schemaFormat": AVRO, "schema": described.schema },
    });
    if let Some(example) = &described.example {
        message["examples"] = json!([{ "name": "full", "payload": example }]);
    }
    message
}

/// What every event has: its key, where its schema's id stands, and its headers (CloudEvents 1.0, binary mode).
fn event() -> Value {
    let header = |what: &str| json!({ "type": "string", "description": what });
    json!({
        "contentType": "avro/binary",
        "bindings": { "kafka": {
            "key": { "type": "string", "format": "uuid", "description": "The id of the aggregate." },
            "schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent",
            "schemaLookupStrategy": "TopicRecordNameStrategy", "bindingVersion": BINDING,
        } },
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "aggregateversion", "tenant"],
            "properties": {
                "ce_specversion": header("Always 1.0."),
                "ce_id": header("The event's id, a UUID; the same when it is delivered again."),
                "ce_type": header("The name of the event type."),
                "ce_source": header("Who published it."),
                "ce_subject": header("The id of the aggregate, as the key."),
                "ce_time": header("When it happened; RFC 3339."),
                "recordedtime": header("When the store wrote it; RFC 3339."),
                "aggregateversion": header("Its place among the aggregate's events: 1, 2, 3 … without a gap."),
                "tenant": header("Whose data it is."),
                "correlationid": header("The request that it goes back to."),
                "causationid": header("What led to it directly."),
                "traceparent": header("W3C Trace Context."),
            },
        },
    })
}
