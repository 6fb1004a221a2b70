//! What the code prints and the repository keeps a copy of.

use std::process::Command;

use anyhow::{Context, bail};

/// The file with the copy, and the lines around it.
const README: &str = "README.md";
const BEGIN: &str = "<!-- begin settings";
const END: &str = "<!-- end settings -->";

/// The copies that differ from what is printed now, one sentence each; renewed where asked.
pub fn differences(write: bool) -> anyhow::Result<Vec<String>> {
    let committed = std::fs::read_to_string(README).context("failed to read README.md")?;
    let current = with_settings(&committed, &settings()?)?;
    if current == committed {
        return Ok(Vec::new());
    }
    if write {
        std::fs::write(README, current).context("failed to write README.md")?;
        return Ok(Vec::new());
    }
    Ok(vec![format!("{README}: the table of settings is out of date; run `cargo xtask generated --write`")])
}

/// The same document with these settings between its marks.
fn with_settings(document: &str, settings: &str) -> anyhow::Result<String> {
    let begin = document.find(BEGIN).with_context(|| format!("{README} has no line `{BEGIN}`"))?;
    let table = begin + document[begin..].find('\n').with_context(|| format!("`{BEGIN}` ends {README}"))? + 1;
    let end = document[table..].find(END).with_context(|| format!("{README} has no line `{END}`"))? + table;
    Ok(format!("{}{settings}{}", &document[..table], &document[end..]))
}

/// As a machine without any stack or setting would print it.
fn settings() -> anyhow::Result<String> {
    let output = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "millrace",
            "--",
            "settings",
            "--name",
            "no-such-stack",
        ])
        .output()
        .context("failed to run cargo")?;
    if !output.status.success() {
        bail!("millrace settings failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("millrace settings printed no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- begin settings: x -->\nold\n<!-- end settings -->\nb\n";
        let expected = "a\n<!-- begin settings: x -->\nnew\n<!-- end settings -->\nb\n";
        assert_eq!(with_settings(document, "new\n").unwrap(), expected);
        assert_eq!(with_settings(expected, "new\n").unwrap(), expected);
        assert!(with_settings("no marks", "new\n").is_err());
    }
}
