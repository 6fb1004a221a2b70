//! A plan for people and for programs.

use catalog::{Plan, Step};
use comfy_table::Table;
use serde_json::json;

/// Prints it; `heading` says whether the steps are to do or done.
pub(super) fn plan(plan: &Plan, as_json: bool, heading: &str) {
    if as_json {
        let Plan { steps, refusals, kept, unchanged } = plan;
        let as_declared = plan.is_empty();
        println!(
            "{:#}",
            json!({
                "steps": steps, "refusals": refusals, "kept": kept, "unchanged": unchanged, "as_declared": as_declared,
            })
        );
        return;
    }
    if !plan.steps.is_empty() {
        println!("{}", table(&plan.steps, heading));
    }
    for refusal in &plan.refusals {
        println!("refused: {refusal}");
    }
    for kept in &plan.kept {
        println!("kept: {kept}");
    }
    println!(
        "{} changes, {} refused, {} retired and kept, {} as they should be",
        plan.steps.len(),
        plan.refusals.len(),
        plan.kept.len(),
        plan.unchanged
    );
}

fn table(steps: &[Step], heading: &str) -> Table {
    let mut table = Table::new();
    table.set_header([heading, "what", "from", "to"]);
    for step in steps {
        table.add_row(row(step));
    }
    table
}

fn row(step: &Step) -> [String; 4] {
    let row = |verb: &str, what: String, from: &str, to: String| [verb.to_owned(), what, from.to_owned(), to];
    match step {
        Step::CreateTopic { name, partitions, replicas, settings } => {
            let settings = settings.iter().map(|(setting, value)| format!("\n{setting}={value}"));
            let all = format!("{partitions} partitions of {replicas}{}", settings.collect::<String>());
            row("create", format!("topic {name}"), "", all)
        }
        Step::GrowTopic { topic, from, to } => {
            row("grow", format!("topic {topic}"), &format!("{from} partitions"), format!("{to} partitions"))
        }
        Step::Set { topic, setting, from, to } => {
            row("set", format!("topic {topic}: {setting}"), from.as_deref().unwrap_or_default(), to.clone())
        }
        Step::CreateUser { user } => row("create", format!("user {user}"), "", "with a password".to_owned()),
        Step::RotatePassword { user } => {
            row("replace", format!("password of user {user}"), "", String::new())
        }
        Step::Limit { user, quota, from, to } => {
            let told = |quota: &Option<u64>| quota.map_or("no limit".to_owned(), |quota| quota.to_string());
            row("set", format!("user {user}: {quota}"), &told(from), told(to))
        }
        Step::Grant(acl) => row("grant", acl.to_string(), "", String::new()),
        Step::Revoke(acl) => row("revoke", acl.to_string(), "", String::new()),
        Step::DeleteTopic { name } => {
            row("delete", format!("topic {name}"), "with all its records", String::new())
        }
    }
}
