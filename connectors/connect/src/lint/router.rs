//! The transform that makes events of outbox rows.

use super::Finding;
use crate::Connector;

const ROUTER: &str = "io.debezium.transforms.outbox.EventRouter";

pub(super) fn findings(connector: &Connector) -> Vec<Finding> {
    let names = connector.settings.get("transforms").map_or("", String::as_str);
    let setting = |name: &str, what: &str| format!("transforms.{name}.{what}");
    let routers: Vec<&str> = names
        .split(',')
        .map(str::trim)
        .filter(|name| connector.settings.get(&setting(name, "type")).is_some_and(|class| class == ROUTER))
        .collect();
    if routers.is_empty() {
        let reason = "without the outbox's router rows arrive as changes of a table, not as events";
        let instead = format!("a transform of type {ROUTER}");
        return vec![Finding::of(connector, "transforms", reason, &instead)];
    }
    let invalid = routers.into_iter().map(|name| setting(name, "table.op.invalid.behavior"));
    invalid
        .filter(|setting| connector.settings.get(setting).is_none_or(|value| value != "fatal"))
        .map(|setting| {
            let reason = "an update of an outbox row is passed over with a warning at most, so nobody learns that an event was changed";
            Finding::of(connector, &setting, reason, "fatal")
        })
        .collect()
}
