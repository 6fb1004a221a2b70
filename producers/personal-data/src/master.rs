//! Master keys: they wrap the keys of data subjects, and come from outside the database.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use events::TenantId;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::seal::{Secret, bound, decrypt, encrypt};
use crate::{Error, KeyId, KeyState, StoredKey, SubjectId, SubjectKey};

/// The longest name of a master key, in bytes.
const NAME_MAX: usize = 63;

/// One or several master keys. The first wraps; all of them unwrap.
pub struct MasterKeys {
    current: String,
    keys: HashMap<String, Secret>,
}

impl MasterKeys {
    /// Reads lines of `<name>:<base64 of 32 bytes>`; empty lines and those that begin with `#` are skipped. The first key
    /// is the one in use, the others are there to unwrap what is not rotated yet.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut found = Self { current: String::new(), keys: HashMap::new() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason| Error::MasterKey { line: index + 1, reason };
            let (name, key) = line.split_once(':').ok_or_else(|| wrong("it has no colon"))?;
            if !is_name(name) {
                return Err(wrong("its name is not 1 to 63 letters, digits and -_."));
            }
            let key =
                Zeroizing::new(STANDARD.decode(key.trim()).map_err(|_| wrong("the key is not base64"))?);
            let key = <[u8; 32]>::try_from(&key[..]).map_err(|_| wrong("the key has not 32 bytes"))?;
            if found.keys.insert(name.to_owned(), Zeroizing::new(key)).is_some() {
                return Err(wrong("the name was given to a key before"));
            }
            if found.current.is_empty() {
                name.clone_into(&mut found.current);
            }
        }
        if found.keys.is_empty() { Err(Error::NoMasterKey) } else { Ok(found) }
    }

    /// One new key, for tests and examples: it is nowhere else.
    pub fn random(name: &str) -> Self {
        Self { current: name.to_owned(), keys: HashMap::from([(name.to_owned(), random())]) }
    }

    /// A new key as a line of a file of master keys.
    pub fn new_line(name: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{name}:{}\n", STANDARD.encode(&random()[..])))
    }

    /// The name of the key that wraps.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// A new key for a data subject, wrapped.
    pub fn new_key(&self, tenant: &TenantId, subject: &SubjectId) -> StoredKey {
        let key = SubjectKey::new(KeyId(uuid::Uuid::new_v4()), random());
        self.wrap(tenant, subject, key.key_id(), &key.into_secret())
    }

    /// A stored key, unwrapped; nothing if it was destroyed.
    pub(crate) fn unwrap(&self, tenant: &TenantId, stored: &StoredKey) -> Result<Option<SubjectKey>, Error> {
        let StoredKey { key_id, subject, state } = stored;
        let KeyState::Wrapped { wrapped, master } = state else { return Ok(None) };
        let with = self
            .keys
            .get(master)
            .ok_or_else(|| Error::UnknownMasterKey { key_id: *key_id, master: master.clone() })?;
        let secret = decrypt(with, &wrapping(tenant, subject, *key_id), wrapped);
        let secret = secret.and_then(|secret| <[u8; 32]>::try_from(&secret[..]).ok());
        let secret = secret.ok_or_else(|| Error::NotUnwrapped { key_id: *key_id, master: master.clone() })?;
        Ok(Some(SubjectKey::new(*key_id, Zeroizing::new(secret))))
    }

    /// The same key under the current master key; nothing when it is wrapped by that one already, or destroyed.
    pub fn rewrap(&self, tenant: &TenantId, stored: &StoredKey) -> Result<Option<StoredKey>, Error> {
        if matches!(&stored.state, KeyState::Wrapped { master, .. } if *master == self.current) {
            return Ok(None);
        }
        let key = self.unwrap(tenant, stored)?;
        Ok(key.map(|key| self.wrap(tenant, &stored.subject, stored.key_id, &key.into_secret())))
    }

    fn wrap(&self, tenant: &TenantId, subject: &SubjectId, key_id: KeyId, secret: &Secret) -> StoredKey {
        let with = self.keys.get(&self.current).expect("the current key is one of the keys");
        let wrapped = encrypt(with, &wrapping(tenant, subject, key_id), &secret[..]);
        let state = KeyState::Wrapped { wrapped, master: self.current.clone() };
        StoredKey { key_id, subject: subject.clone(), state }
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys").field("current", &self.current).finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_legal)
}

fn random() -> Secret {
    let mut secret = Secret::default();
    SysRng.try_fill_bytes(&mut secret[..]).expect("the operating system has random bytes");
    secret
}

/// What a wrapped key is bound to: in another row it does not open.
fn wrapping(tenant: &TenantId, subject: &SubjectId, key_id: KeyId) -> Vec<u8> {
    bound(&[b"millrace key v1", tenant.as_str().as_bytes(), subject.as_str().as_bytes(), key_id.0.as_bytes()])
}
