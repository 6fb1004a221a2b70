//! Where the passwords of users come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The passwords that users get, by the variables that hold them.
///
/// A user's password is in `MILLRACE_KAFKA_<USER>_PASSWORD`, or in the file that `MILLRACE_KAFKA_<USER>_PASSWORD_FILE`
/// names, its final line end aside. `<USER>` is the name in capitals, everything but letters and digits a `_`.
#[derive(Clone, Default)]
pub struct Passwords(BTreeMap<String, String>);

/// A user whose password is needed and not there.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Nobody said it.
    #[error(
        "user {user} needs a password: set {variable}, or {variable}_FILE to the name of a file that holds it"
    )]
    Missing {
        /// Whose.
        user: String,
        /// Where it would be.
        variable: String,
    },
    /// It is said to be in a file that cannot be read.
    #[error("the password of user {user} cannot be read from {}", path.display())]
    Unreadable {
        /// Whose.
        user: String,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Passwords {
    /// The variable that holds a user's password.
    pub fn variable(user: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("MILLRACE_KAFKA_{}_PASSWORD", user.chars().map(plain).collect::<String>())
    }

    /// Those among some variables with their values, the environment's for one; of two that are the same the later
    /// one counts.
    pub fn among(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_one = |name: &str| {
            name.starts_with("MILLRACE_KAFKA_")
                && (name.ends_with("_PASSWORD") || name.ends_with("_PASSWORD_FILE"))
        };
        Self(variables.into_iter().filter(|(name, value)| is_one(name) && !value.is_empty()).collect())
    }

    /// The password of a user.
    pub(crate) fn of(&self, user: &str) -> Result<String, PasswordError> {
        let variable = Self::variable(user);
        if let Some(password) = self.0.get(&variable) {
            return Ok(password.clone());
        }
        let Some(path) = self.0.get(&format!("{variable}_FILE")).map(PathBuf::from) else {
            return Err(PasswordError::Missing { user: user.to_owned(), variable });
        };
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim_end_matches(['\r', '\n']).is_empty() => {
                Err(PasswordError::Missing { user: user.to_owned(), variable })
            }
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(source) => Err(PasswordError::Unreadable { user: user.to_owned(), path, source }),
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish() // the values are secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Passwords {
        Passwords::among(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_password_is_in_a_variable_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from the file\n").unwrap();
        let named = file.display().to_string();
        let both = given(&[
            ("MILLRACE_KAFKA_DEAD_LETTERS_PASSWORD", "from the variable"),
            ("MILLRACE_KAFKA_AUDITOR_PASSWORD_FILE", &named),
        ]);
        assert_eq!(both.of("dead-letters").unwrap(), "from the variable");
        assert_eq!(both.of("auditor").unwrap(), "from the file");
        assert!(!format!("{both:?}").contains("from the variable"));
    }

    #[test]
    fn a_password_that_is_not_there_is_asked_for_by_its_variable() {
        let error = given(&[("MILLRACE_KAFKA_A_B_PASSWORD", "")]).of("a.b").unwrap_err().to_string();
        assert!(error.contains("user a.b") && error.contains("set MILLRACE_KAFKA_A_B_PASSWORD,"), "{error}");
        let error = given(&[("MILLRACE_KAFKA_A_PASSWORD_FILE", "/no/such")]).of("a").unwrap_err();
        assert!(matches!(error, PasswordError::Unreadable { .. }), "{error}");
    }
}
