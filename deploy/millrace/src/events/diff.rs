//! What changed between two states.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use serde_json::Value;

/// A field that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// Where it is, such as `Running.progress.cost`.
    path: String,
    /// What it was; none: it was not there.
    before: Option<Value>,
    /// What it is; none: it is no longer there.
    after: Option<Value>,
}

/// Every field in which two states differ, in the order of their paths.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = vec![];
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                compare(below(name), before.get(name), after.get(name), found);
            }
        }
        (before, after) => {
            found.push(Change { path, before: before.cloned(), after: after.cloned() });
        }
    }
}

/// Prints the changes; in colour on a terminal, unless `NO_COLOR` is set.
pub(super) fn print(from: u64, to: u64, changes: &[Change], json: bool) {
    if json {
        for Change { path, before, after } in changes {
            println!(
                "{}",
                serde_json::json!({ "from": from, "to": to, "path": path, "before": before, "after": after })
            );
        }
        return;
    }
    let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    println!("version {from} to {to}: {} differences", changes.len());
    for Change { path, before, after } in changes {
        let sides = [(before, "-", "31"), (after, "+", "32")];
        for (value, sign, colour) in sides.into_iter().filter_map(|(v, s, c)| Some((v.as_ref()?, s, c))) {
            let line =
                if path.is_empty() { format!("{sign} {value}") } else { format!("{sign} {path}: {value}") };
            if coloured { println!("\x1b[{colour}m{line}\x1b[0m") } else { println!("{line}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_that_differs_is_named_by_its_path() {
        let before = json!({ "Running": { "cost": 1, "calls": 2, "gone": true } });
        let after = json!({ "Running": { "cost": 3, "calls": 2, "new": "x" } });
        let change = |path: &str, before: Option<Value>, after: Option<Value>| Change {
            path: path.to_owned(),
            before,
            after,
        };
        let expected = [
            change("Running.cost", Some(json!(1)), Some(json!(3))),
            change("Running.gone", Some(json!(true)), None),
            change("Running.new", None, Some(json!("x"))),
        ];
        assert_eq!(changes(&before, &after), expected);
    }

    #[test]
    fn states_of_another_kind_differ_as_a_whole_and_equal_ones_not_at_all() {
        let running = json!({ "Running": {} });
        assert_eq!(changes(&running, &running), []);
        let whole = changes(&json!("NotStarted"), &running);
        assert_eq!((whole.len(), whole[0].path.as_str()), (1, ""));
    }
}
