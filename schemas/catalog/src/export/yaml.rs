//! A manifest as text, laid out as people write it.

use std::fmt::Write;

use super::Exported;
use crate::{Cleanup, NamePattern, Timestamps, Topic, User};

pub(super) fn text(exported: &Exported) -> String {
    let mut text =
        String::from("# Exported from a cluster. Purposes, owners, keys and reasons are yours to fill in.\n");
    for left_out in &exported.left_out {
        text += &format!("# Left out: {}\n", left_out.replace('\n', " "));
    }
    text += if exported.manifest.topics.is_empty() { "topics: []\n" } else { "topics:\n" };
    exported.manifest.topics.iter().for_each(|it| topic(&mut text, it));
    text += if exported.manifest.users.is_empty() { "users: []\n" } else { "users:\n" };
    exported.manifest.users.iter().for_each(|it| user(&mut text, it));
    text
}

fn topic(text: &mut String, topic: &Topic) {
    let mut line = |key: &str, value: &str| lined(text, key, value);
    line("- name", &scalar(&topic.name));
    line("  purpose", &scalar(&topic.purpose));
    line("  owner", &scalar(&topic.owner));
    if let Some(key) = &topic.key {
        line("  key", &scalar(key));
    }
    line("  partitions", &topic.partitions.to_string());
    line("  partitions_reason", &scalar(&topic.partitions_reason));
    line("  replicas", &topic.replicas.to_string());
    line("  min_in_sync_replicas", &topic.min_in_sync_replicas.to_string());
    line("  retention", &topic.retention.to_string());
    match topic.cleanup {
        Cleanup::Delete => {}
        Cleanup::Compact => line("  cleanup", "compact"),
        Cleanup::CompactDelete => line("  cleanup", "\"compact,delete\""),
    }
    if topic.timestamps == Timestamps::Arrival {
        line("  timestamps", "arrival");
    }
    line("  consumers", &list(&topic.consumers));
}

fn user(text: &mut String, user: &User) {
    lined(text, "- name", &scalar(&user.name));
    lined(text, "  purpose", &scalar(&user.purpose));
    let lists = [
        ("  reads", &user.reads),
        ("  writes", &user.writes),
        ("  describes_configs", &user.describes_configs),
        ("  groups", &user.groups),
    ];
    for (key, patterns) in lists.into_iter().filter(|(_, patterns)| !patterns.is_empty()) {
        lined(text, key, &list(&patterns.iter().map(NamePattern::to_string).collect::<Vec<_>>()));
    }
}

fn lined(text: &mut String, key: &str, value: &str) {
    writeln!(text, "  {key}: {value}").expect("a String takes everything");
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| scalar(text)).collect::<Vec<_>>().join(", "))
}

/// A text that YAML reads back as that text: a JSON string, unless it is a word that means nothing else.
fn scalar(text: &str) -> String {
    const MEAN_SOMETHING: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(word)
        && !MEAN_SOMETHING.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::to_string(text).expect("a text is JSON") }
}
