//! One key and what it seals.
//!
//! AES-256-GCM-SIV (RFC 8452). The nonce is derived from what the ciphertext is bound to, which no two fields of any two
//! events share; should an event be encoded twice under one id, SIV gives away no more than whether it is the same.

use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::{AggregateId, EventId, TenantId};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Error, KeyId};

/// What every sealed text begins with: `enc:v1:<key id>:<base64url of ciphertext and tag>`.
pub const SEALED: &str = "enc:v1:";

/// 256 bits that are wiped when they are dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Where a field belongs; its ciphertext opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose data.
    pub tenant: &'a TenantId,
    /// Whose event.
    pub aggregate_id: AggregateId,
    /// Which event.
    pub event_id: EventId,
}

impl Place<'_> {
    fn bound(&self, field: &str) -> Vec<u8> {
        bound(&[
            b"millrace field v1",
            self.tenant.as_str().as_bytes(),
            self.aggregate_id.0.as_bytes(),
            self.event_id.0.as_bytes(),
            field.as_bytes(),
        ])
    }
}

/// Several parts as one, no two lists of parts alike.
pub(crate) fn bound(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part].concat()).collect()
}

pub(crate) fn encrypt(key: &Secret, bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad: bound_to };
    cipher(key)
        .encrypt(&nonce(bound_to), payload)
        .expect("what fits in memory is short enough for the cipher")
}

pub(crate) fn decrypt(key: &Secret, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let payload = Payload { msg: sealed, aad: bound_to };
    cipher(key).decrypt(&nonce(bound_to), payload).ok().map(Zeroizing::new)
}

fn cipher(key: &Secret) -> Aes256GcmSiv {
    Aes256GcmSiv::new_from_slice(&key[..]).expect("a secret has the cipher's length")
}

fn nonce(bound_to: &[u8]) -> Nonce {
    let mut nonce = Nonce::default();
    nonce.copy_from_slice(&Sha256::digest(bound_to)[..12]);
    nonce
}

/// A data subject's key, unwrapped.
pub struct SubjectKey {
    key_id: KeyId,
    secret: Secret,
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl SubjectKey {
    pub(crate) fn new(key_id: KeyId, secret: Secret) -> Self {
        Self { key_id, secret }
    }

    /// Its name.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(crate) fn into_secret(self) -> Secret {
        self.secret
    }

    /// Seals an event's personal fields, given with their names. One that looks sealed already is refused, and the
    /// event with it.
    pub fn seal<'a>(
        &self,
        place: Place<'_>,
        fields: impl IntoIterator<Item = (&'static str, &'a mut String)>,
    ) -> Result<(), Error> {
        for (field, text) in fields {
            refuse_sealed(field, text)?;
            let sealed = encrypt(&self.secret, &place.bound(field), text.as_bytes());
            *text = format!("{SEALED}{}:{}", self.key_id, URL_SAFE_NO_PAD.encode(sealed));
        }
        Ok(())
    }

    /// The text that was sealed in this field.
    pub(crate) fn open(&self, place: Place<'_>, field: &str, sealed: &Sealed) -> Result<String, Error> {
        let refused = || Error::NotOpened { field: field.to_owned(), key_id: self.key_id };
        let plain = decrypt(&self.secret, &place.bound(field), &sealed.ciphertext).ok_or_else(refused)?;
        std::str::from_utf8(&plain).map(ToOwned::to_owned).map_err(|_| refused())
    }
}

/// Whether a text is a sealed field, or pretends to be.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(SEALED)
}

/// No plain text may look sealed: it could never be read again.
pub fn refuse_sealed(field: &str, text: &str) -> Result<(), Error> {
    if is_sealed(text) { Err(Error::LooksSealed { field: field.to_owned() }) } else { Ok(()) }
}

/// A sealed text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// With which key.
    pub(crate) key_id: KeyId,
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Takes a text apart; nothing if it is not exactly as [`SubjectKey::seal`] writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (key, ciphertext) = text.strip_prefix(SEALED)?.split_once(':')?;
        let sealed = Self { key_id: key.parse().ok()?, ciphertext: URL_SAFE_NO_PAD.decode(ciphertext).ok()? };
        (sealed.key_id.to_string() == key).then_some(sealed)
    }
}
