//! What the local stack knows fills in for what the command line and the environment leave open.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use crate::keys;

/// The stack that `arguments` name with `--stack` (or `--name`), before anything else is parsed: its facts become the
/// defaults that the parser then works with.
pub(crate) fn named_stack(arguments: &[OsString], environment: Option<OsString>) -> String {
    let mut given = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = given.next() {
        let Some(text) = argument.to_str() else { continue };
        for flag in ["--stack", "--name"] {
            if text == flag {
                return given.next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            }
            if let Some(name) = text.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
                return name.to_owned();
            }
        }
    }
    environment.map_or_else(|| DEFAULT_STACK.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The stack meant when none is named.
pub(crate) const DEFAULT_STACK: &str = "default";

/// The facts of a stack, for as far as there is such a stack.
pub(crate) fn facts(name: &str) -> BTreeMap<String, String> {
    let opened = local::Stack::open(name).and_then(|stack| Ok((stack.env()?, stack)));
    let Ok((env, stack)) = opened else { return BTreeMap::new() };
    let fact = |variable: &str, path: PathBuf| (variable.to_owned(), path.display().to_string());
    let keys = fact("MILLRACE_API_KEYS", tokens_folder(&stack).join("keys.json"));
    let master_key = Some(keys::master_key_file(&stack)).filter(|file| file.exists());
    let master_key = master_key.map(|file| fact("MILLRACE_MASTER_KEY_FILE", file));
    let known = env.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    known.chain([keys]).chain(master_key).collect()
}

/// Where a stack's own issuer of tokens keeps its key.
pub(crate) fn tokens_folder(stack: &local::Stack) -> PathBuf {
    stack.root().join("tokens")
}

/// `command` with a default for every argument whose environment variable is among `facts`. Precedence stays flag,
/// environment, stack.
pub(crate) fn fill_in(command: Command, facts: &BTreeMap<String, String>) -> Command {
    let command = command.mut_args(|argument| {
        let variable = argument.get_env().and_then(|name| name.to_str().map(str::to_owned));
        match variable.and_then(|name| facts.get(&name)) {
            Some(value) => argument.required(false).default_value(value.clone()).hide_default_value(true),
            None => argument,
        }
    });
    command.mut_subcommands(|subcommand| fill_in(subcommand, facts))
}

/// Settings as the facts of a stack give them, for commands that raise the stack themselves and so could not have them
/// on their command line. The environment still wins.
///
/// # Errors
/// When the stack does not know a setting that has no default.
pub(crate) fn settings<T: Args + FromArgMatches>(stack: &str) -> Result<T, clap::Error> {
    let command = fill_in(T::augment_args(Command::new("millrace")), &facts(stack));
    let matches = command.try_get_matches_from(["millrace"])?;
    T::from_arg_matches(&matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(arguments: &[&str], environment: Option<&str>) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        named_stack(&arguments, environment.map(Into::into))
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_that_over_the_default() {
        assert_eq!(named(&["millrace", "up", "--name", "a"], Some("b")), "a");
        assert_eq!(named(&["millrace", "--stack=a", "up"], Some("b")), "a");
        assert_eq!(named(&["millrace", "up"], Some("b")), "b");
        assert_eq!(named(&["millrace", "up"], None), DEFAULT_STACK);
    }

    #[test]
    fn what_follows_two_dashes_is_somebody_elses() {
        assert_eq!(named(&["millrace", "with", "--", "x", "--stack", "a"], None), DEFAULT_STACK);
    }

    #[test]
    fn a_fact_of_the_stack_is_a_default_and_nothing_more() {
        let url = clap::Arg::new("url").long("url").env("MILLRACE_TEST_ONLY_URL").required(true);
        let command = fill_in(
            Command::new("t").subcommand(Command::new("run").arg(url)),
            &BTreeMap::from([("MILLRACE_TEST_ONLY_URL".to_owned(), "from-stack".to_owned())]),
        );
        let url = |arguments: &[&str]| {
            let matches = command.clone().try_get_matches_from(arguments).unwrap();
            matches.subcommand().unwrap().1.get_one::<String>("url").unwrap().clone()
        };
        assert_eq!(url(&["t", "run"]), "from-stack");
        assert_eq!(url(&["t", "run", "--url", "from-flag"]), "from-flag");
    }
}
