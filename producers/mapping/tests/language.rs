//! The language, and how its mistakes are named.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use mapping::{Mapping, Raw};
use proptest::prelude::*;

const GOOD: &str = r#"
mapping: runs
source:
  kind: json-lines
  columns:
    run: text
    owner: uuid?
    state: { one_of: { done: completed, "1": completed, broken: failed } }
    retries: { type: natural, default: 0 }
    usage: { record: { tokens: natural, cost: usd? } }
    steps: { list: { at: unix_milliseconds, tools: { list: { tool: text } } } }
key: [run]
aggregate: { type: agent-run, id: { namespace: 9b2ffba4-9a6e-4bd3-a1cb-31b3ba3ab0ac, of: [run, retries] } }
commands:
  - { type: Start, with: { occurred_at: "steps[0].at", tokens: usage.tokens, cost_nano_usd: usage.cost } }
  - for_each: steps
    as: step
    do:
      - for_each: step.tools
        as: use
        do:
          - { type: Use, with: { occurred_at: step.at, step: { position: step }, n: { position: use }, tool: use.tool } }
  - type: End
    when: { all: [{ equals: { column: state, value: completed } }, { absent: owner }] }
    with: { owner_id: { id: { column: owner } }, final: { constant: true } }
sums:
  tokens: { column: usage.tokens, event: Started, field: tokens }
"#;

const ROW: &str = r#"{"run":"a/b","state":"done","usage":{"tokens":7,"cost":0.1},
  "steps":[{"at":1000,"tools":[]},{"at":"2000","tools":[{"tool":"ls"},{"tool":"nl"}]}]}"#;

fn mapping() -> Mapping {
    Mapping::parse(GOOD).unwrap()
}

fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Mapping::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

fn refused(from: &str, to: &str) -> String {
    assert!(ROW.contains(from), "{from}");
    let row = Raw::from_json(&ROW.replacen(from, to, 1)).unwrap();
    mapping().map(&"acme".parse().unwrap(), &row).unwrap_err().to_string()
}

#[test]
fn a_row_becomes_the_commands_that_the_file_tells() {
    let mapped = mapping().map(&"acme".parse().unwrap(), &Raw::from_json(ROW).unwrap()).unwrap();
    let id = mapped.aggregate_id.to_string();
    assert_eq!(mapped.key, "a/b");
    assert_eq!(mapped.sums, [7]);
    let told: Vec<_> =
        mapped.commands.iter().map(|command| (command.at.as_str(), command.json.clone())).collect();
    let at = "1970-01-01T00:00:02.000000Z";
    assert_eq!(
        told,
        [
            (
                "",
                serde_json::json!({
                    "type": "Start", "agent_run_id": id, "occurred_at": "1970-01-01T00:00:01.000000Z",
                    "tokens": 7, "cost_nano_usd": 100_000_000,
                })
            ),
            (
                "steps[1].tools[0]",
                serde_json::json!({"type": "Use", "agent_run_id": id, "occurred_at": at, "step": 2, "n": 1, "tool": "ls"})
            ),
            (
                "steps[1].tools[1]",
                serde_json::json!({"type": "Use", "agent_run_id": id, "occurred_at": at, "step": 2, "n": 2, "tool": "nl"})
            ),
            ("", serde_json::json!({"type": "End", "agent_run_id": id, "final": true})),
        ]
    );
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_place() {
    for (from, to, named) in [
        ("mapping: runs", "mapping: runs\nfrom: x", "unknown field `from`"),
        ("run: text", "run: texts", "there is no type \"texts\""),
        ("run: text", "run: text\n    run: text", "run"),
        ("run: text", "run: { local: Mars/Olympus }", "there is no time zone \"Mars/Olympus\""),
        ("run: text", "run: { hex: 3, type: text }", "exactly one of type, hex"),
        ("key: [run]", "key: [ruin]", "key: there is no column \"ruin\""),
        ("key: [run]", "key: []", "key: names no column"),
        ("tool: use.tool", "tool: use.tol", "commands[1].do[0].do[0].with.tool: there is no column \"tol\""),
        ("tool: use.tool", "tool: use", "commands[1].do[0].do[0].with.tool: \"use\" is a whole item"),
        ("tool: use.tool", "tool: step.tools", "is no single value"),
        ("tool: use.tool", "tool: run.tool", "\"run\" has no columns of its own"),
        ("steps[0].at", "steps[x].at", "\"x\" is no place in a list"),
        ("steps[0].at", "steps[].at", "is no single value"),
        ("steps[0].at", "run[0]", "\"run\" is no list"),
        ("for_each: step.tools", "for_each: run", "commands[1].do[0].for_each: \"run\" is no list"),
        ("as: use", "as: step", "commands[1].do[0].as: \"step\" is the name of something else"),
        ("{ position: use }", "{ position: sue }", "no item is called \"sue\""),
        (
            "{ absent: owner }",
            "{ absent: owner, present: owner }",
            "commands[2].when: a condition is exactly one",
        ),
        ("{ absent: owner }", "{ positive: run }", "commands[2].when: only a number can be positive"),
        ("{ column: owner }", "{ column: run }", "column \"run\" is no uuid"),
        ("{ constant: true }", "{ constant: 1.5 }", "whole number"),
        ("owner_id:", "agent_run_id:", "commands[2].with.agent_run_id: is filled in by the import itself"),
        ("usage.tokens, event", "run, event", "sums.tokens: column \"run\" holds no whole numbers"),
        ("kind: json-lines", "kind: postgres", "source.query: is missing"),
        ("kind: json-lines", "kind: csv\n  delimiter: é", "source.delimiter: is no single ASCII character"),
        ("kind: json-lines", "kind: xml", "xml"),
        ("type: Start, ", "", "commands[0]: is neither a command"),
    ] {
        let said = wrong(from, to);
        assert!(said.contains(named), "{to:?}: {said}");
    }
    assert!(
        wrong("mapping: runs", "mapping: runs\nfrom: x").contains("line 3"),
        "an unknown key is named with its line"
    );
}

#[test]
fn a_bad_row_is_refused_with_its_column_and_the_reason() {
    for (from, to, said) in [
        ("\"tokens\":7", "\"tokens\":-7", "field usage.tokens: is -7, and cannot be negative"),
        ("\"tokens\":7", "\"tokens\":7.0", "field usage.tokens: is no whole number"),
        ("\"tokens\":7", "\"tokens\":[7]", "field usage.tokens: is a list, not a number"),
        ("\"tokens\":7", "\"tokens\":7,\"more\":1", "field usage.more: is not declared among the columns"),
        ("\"tokens\":7,", "", "field usage.tokens: is missing"),
        ("0.1", "\"much\"", "field usage.cost: is no decimal number"),
        ("\"2000\"", "\"yesterday\"", "field steps[1].at: is no whole number"),
        ("[{\"tool\":\"ls\"}", "[7", "field steps[1].tools[0]: is a number, not a record"),
        ("\"done\"", "\"lost\"", "field state: is none of 1, broken, done"),
        ("\"run\":\"a/b\"", "\"run\":\"a/b\",\"owner\":\"me\"", "field owner: is no UUID"),
        ("\"run\":\"a/b\"", "\"run\":null", "field run: is missing"),
    ] {
        assert_eq!(refused(from, to), said, "{to:?}");
    }
    let empty = refused(
        "\"steps\":[{\"at\":1000,\"tools\":[]},{\"at\":\"2000\",\"tools\":[{\"tool\":\"ls\"},{\"tool\":\"nl\"}]}]",
        "\"steps\":[]",
    );
    assert_eq!(empty, "field steps[0].at: the list has no such item");
}

#[test]
fn an_id_is_of_its_tenant_and_no_slash_makes_two_rows_one() {
    let id = |tenant: &str, run: &str| {
        let row = Raw::from_json(&ROW.replacen("a/b", run, 1)).unwrap();
        mapping().map(&tenant.parse().unwrap(), &row).unwrap().aggregate_id
    };
    assert_eq!(id("acme", "a"), id("acme", "a"));
    assert_ne!(id("acme", "a"), id("globex", "a"));
    assert_ne!(id("acme", "a/0"), id("acme", "a%2F0"));
}

#[test]
fn the_key_of_a_bad_row_is_told_as_far_as_it_can_be_read() {
    let key = |row: &str| mapping().key(&Raw::from_json(row).unwrap());
    assert_eq!(key(r#"{"run":"x","state":7}"#).as_deref(), Some("x"));
    assert_eq!((key(r#"{"state":7}"#), key("[]")), (None, None));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let names = prop_oneof![
            Just("run"),
            Just("state"),
            Just("usage"),
            Just("tokens"),
            Just("steps"),
            Just("at"),
            Just("tools")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_row_makes_it_panic_and_a_row_read_twice_is_the_same(row in json()) {
        let row = Raw::from_json(&row.to_string()).unwrap();
        let tenant = "acme".parse().unwrap();
        prop_assert_eq!(mapping().map(&tenant, &row), mapping().map(&tenant, &row));
    }

    #[test]
    fn no_file_makes_it_panic(at in 0..GOOD.len(), with in ".{0,12}") {
        drop(Mapping::parse(&with));
        if let (Some(head), Some(tail)) = (GOOD.get(..at), GOOD.get(at..)) {
            drop(Mapping::parse(&format!("{head}{with}{tail}")));
        }
    }
}
