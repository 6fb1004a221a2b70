//! An issuer of tokens for a local stack, with a key of its own. Production has an identity provider instead.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use events::TenantId;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;

use super::{AuthConfig, Role};

/// Signs tokens with a key that lies in a folder; whoever may read the folder may be anybody.
pub struct Issuer {
    key: EncodingKey,
    key_id: String,
    keys: PathBuf,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whose data.
    pub tenant: TenantId,
    /// Who.
    pub actor: String,
    /// What they may do.
    pub role: Role,
    /// For how long.
    pub lifetime: Duration,
}

/// Why there is no issuer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The folder does not let us keep a key.
    #[error("failed to {what} {path}")]
    File {
        /// Read, make or write.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("failed to make a signing key")]
    Generate,
    /// The key is not one of ours.
    #[error("the signing key cannot be used")]
    Key(#[source] jsonwebtoken::errors::Error),
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer whose key is in `folder`; it is made when it is not there, readable by its owner alone. The key set for
    /// [`AuthConfig::api_keys`] lies beside it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, IssuerError> {
        let private = folder.join("issuer.der");
        let key = match fs::read(&private) {
            Ok(der) => der,
            Err(error) if error.kind() == ErrorKind::NotFound => make(folder, &private)?,
            Err(source) => return Err(IssuerError::File { what: "read", path: private, source }),
        };
        let key = EncodingKey::from_ec_der(&key);
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(IssuerError::Key)?;
        let key_id = public.thumbprint(ThumbprintHash::SHA256).map_err(IssuerError::Key)?;
        public.common.key_id = Some(key_id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let issuer = Self { key, key_id, keys: folder.join("keys.json") };
        let set = json!(JwkSet { keys: vec![public] }).to_string();
        if fs::read_to_string(&issuer.keys).ok().as_deref() != Some(set.as_str()) {
            fs::write(&issuer.keys, set).map_err(|source| issuer.file("write", source))?;
        }
        Ok(issuer)
    }

    /// Where its public key set is.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// A token.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn issue(&self, grant: &Grant, config: &AuthConfig) -> Result<String, IssuerError> {
        let now = get_current_timestamp();
        let claims = json!({
            "iss": config.api_issuer, "aud": config.api_audience, "sub": grant.actor, "tenant": grant.tenant,
            "role": grant.role, "nbf": now, "iat": now, "exp": now + grant.lifetime.as_secs(),
        });
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims, &self.key).map_err(IssuerError::Key)
    }

    fn file(&self, what: &'static str, source: std::io::Error) -> IssuerError {
        IssuerError::File { what, path: self.keys.clone(), source }
    }
}

/// Makes the key. When another process was faster its key is taken.
fn make(folder: &Path, path: &Path) -> Result<Vec<u8>, IssuerError> {
    let file = |what| move |source| IssuerError::File { what, path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(file("make the folder of"))?;
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let made = made.map_err(|_| IssuerError::Generate)?;
    let staged = folder.join(format!("issuer.{}.new", std::process::id()));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&staged)?.write_all(made.as_ref())?;
        match fs::hard_link(&staged, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    };
    let written = write();
    let removed = fs::remove_file(&staged);
    written.and(removed).map_err(file("write"))?;
    fs::read(path).map_err(file("read"))
}
