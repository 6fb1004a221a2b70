//! What the documents say exists.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

/// Files, and the part of each that names tests.
const NAMING: [(&str, &str); 2] =
    [("ARCHITECTURE.md", "## Invariants"), ("chaos/SCENARIOS.md", "## Scenarios")];

/// Tests that these name and the code does not have, one sentence each.
pub fn missing_tests() -> anyhow::Result<Vec<String>> {
    let mut functions = BTreeSet::new();
    for folder in ["schemas", "connectors", "producers", "consumers", "deploy", "chaos"] {
        collect(Path::new(folder), &mut functions)?;
    }
    let mut missing = Vec::new();
    for (file, section) in NAMING {
        let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"))?;
        let named =
            named_tests(&text, section).with_context(|| format!("{file} has no section `{section}`"))?;
        let absent = named.into_iter().filter(|name| !functions.contains(*name));
        missing.extend(absent.map(|name| format!("{file}: there is no test `{name}`")));
    }
    Ok(missing)
}

/// Words of four parts or more in backticks.
fn named_tests<'t>(text: &'t str, section: &str) -> Option<BTreeSet<&'t str>> {
    let section = text.split_once(section)?.1;
    let section = section.split("\n## ").next()?;
    let is_test = |word: &&str| {
        word.split('_').count() > 3
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    Some(section.split('`').filter(is_test).collect())
}

fn collect(folder: &Path, functions: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            functions.extend(names.map(str::to_owned));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_named_in_backticks_and_other_names_are_not_taken_for_them() {
        let text = "x\n## Invariants\n`append_events()` `event_store` `a_parked_key_keeps_its_order`\n## Next\n`not_one_of_them_here`";
        let named = named_tests(text, "## Invariants");
        assert_eq!(named, Some(BTreeSet::from(["a_parked_key_keeps_its_order"])));
        assert_eq!(named_tests("nothing", "## Invariants"), None);
    }
}
