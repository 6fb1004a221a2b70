//! `millrace settings`: every setting, from the code that reads it. The README's table is printed by this.

use std::collections::BTreeMap;

use clap::{Arg, Command};

use crate::exit::Exit;

/// Prints a Markdown table of all settings that an environment variable can give.
pub(crate) fn run(command: &Command) -> Exit {
    let mut settings = BTreeMap::new();
    collect(command, &mut settings);
    println!("| variable | flag | default | what |\n| --- | --- | --- | --- |");
    for (variable, row) in settings {
        println!("| `{variable}` | {row}");
    }
    Exit::Ok
}

fn collect(command: &Command, settings: &mut BTreeMap<String, String>) {
    for argument in command.get_arguments() {
        if let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) {
            settings.insert(variable.to_string_lossy().into_owned(), row(argument, flag));
        }
    }
    for subcommand in command.get_subcommands() {
        collect(subcommand, settings);
    }
}

fn row(argument: &Arg, flag: &str) -> String {
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let what = argument.get_help().map(ToString::to_string).unwrap_or_default();
    format!("`--{flag}` | {} | {} |", defaults.join(", "), what.replace('|', "\\|"))
}
