//! `--print-config`: the values in force, where each came from, secrets redacted.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use comfy_table::Table;

/// Every setting of the chosen subcommand that an environment variable can give.
pub(crate) fn table(command: &Command, matches: &ArgMatches) -> Table {
    let mut table = Table::new();
    table.set_header(["flag", "variable", "value", "from"]);
    rows(command, matches, &mut table);
    table
}

fn rows(command: &Command, matches: &ArgMatches, table: &mut Table) {
    for argument in command.get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        let id = argument.get_id().as_str();
        let values = matches.try_get_raw(id).ok().flatten().map(|raw| {
            raw.map(|value| redacted(flag, &value.to_string_lossy())).collect::<Vec<_>>().join(",")
        });
        let from = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            Some(ValueSource::EnvVariable) => "environment",
            Some(_) if argument.is_hide_default_value_set() => "stack",
            Some(_) => "default",
            None => "",
        };
        table.add_row([
            format!("--{flag}"),
            variable.to_string_lossy().into_owned(),
            values.unwrap_or_default(),
            from.to_owned(),
        ]);
    }
    if let Some((name, below)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        rows(command, below, table);
    }
}

/// Passwords and keys are not shown, nor those inside URLs.
fn redacted(flag: &str, value: &str) -> String {
    if ["password", "secret", "master-keys"].iter().any(|kind| flag.contains(kind)) {
        return "********".to_owned();
    }
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    match rest.split_once('@') {
        Some((account, host)) => {
            let user = account.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:********@{host}")
        }
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        assert_eq!(redacted("kafka-password", "hunter2"), "********");
        assert_eq!(redacted("redis-url", "redis://:hunter2@127.0.0.1:1/"), "redis://:********@127.0.0.1:1/");
        assert_eq!(
            redacted("events-url", "postgres://app:hunter2@localhost:1/x?host=/y"),
            "postgres://app:********@localhost:1/x?host=/y"
        );
        assert_eq!(redacted("registry-url", "http://127.0.0.1:1/"), "http://127.0.0.1:1/");
    }
}
