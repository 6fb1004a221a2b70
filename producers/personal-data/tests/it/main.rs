//! What is sealed opens in its place alone, and not at all once its key is gone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use events::{AggregateId, EventId, TenantId};
use personal_data::{
    ERASED, Error, InMemoryKeys, KeyState, Keyring, KeyringConfig, MasterKeys, Place, StoredKey, SubjectId,
};
use proptest::prelude::*;
use uuid::Uuid;

const NEVER: Duration = Duration::ZERO;
const FOR_EVER: Duration = Duration::MAX;

struct Sample {
    keys: Arc<InMemoryKeys>,
    keyring: Keyring,
    tenant: TenantId,
    ada: SubjectId,
}

fn sample(stale_max: Duration) -> Sample {
    let keys = Arc::new(InMemoryKeys::default());
    let keyring = Keyring::new(keys.clone(), MasterKeys::random("one"), stale_max);
    Sample { keys, keyring, tenant: "acme".parse().unwrap(), ada: "ada".parse().unwrap() }
}

impl Sample {
    fn place(&self) -> Place<'_> {
        Place { tenant: &self.tenant, aggregate_id: AggregateId(Uuid::nil()), event_id: EventId(Uuid::nil()) }
    }

    async fn seal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let key = self.keyring.key_of(&self.tenant, &self.ada).await.unwrap();
        key.seal(self.place(), [("name", &mut text)]).unwrap();
        text
    }

    async fn open(&self, sealed: &str) -> Result<String, Error> {
        self.open_at(self.place(), "name", sealed).await
    }

    async fn open_at(&self, place: Place<'_>, field: &'static str, sealed: &str) -> Result<String, Error> {
        let mut text = sealed.to_owned();
        self.keyring.open(place, [(field, &mut text)]).await.map(|()| text)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn any_text_opens_as_it_was_sealed_and_is_not_seen_in_between(text in any::<String>()) {
        prop_assume!(!personal_data::is_sealed(&text));
        block_on(async {
            let sample = sample(FOR_EVER);
            let sealed = sample.seal(&text).await;
            assert!(text.len() < 4 || !sealed.contains(&text));
            assert_eq!(sample.open(&sealed).await.unwrap(), text);
            assert_eq!(sample.open(&text).await.unwrap(), text, "what is not sealed stays");
        });
    }

    #[test]
    fn a_changed_ciphertext_is_refused(at in 0_usize..200, to in any::<char>()) {
        block_on(async {
            let sample = sample(FOR_EVER);
            let sealed = sample.seal("Ada Lovelace").await;
            let mut changed: Vec<char> = sealed.chars().collect();
            let at = "enc:v1:".len() + at % (changed.len() - "enc:v1:".len());
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            if changed != sealed {
                let opened = sample.open(&changed).await;
                assert!(opened.is_err(), "{opened:?}");
            }
        });
    }
}

#[tokio::test]
async fn what_is_sealed_opens_nowhere_else() {
    let sample = sample(FOR_EVER);
    let sealed = sample.seal("Ada Lovelace").await;
    let (here, elsewhere) = (sample.place(), Uuid::max());
    for (place, field) in [
        (Place { aggregate_id: AggregateId(elsewhere), ..here }, "name"),
        (Place { event_id: EventId(elsewhere), ..here }, "name"),
        (here, "address"),
    ] {
        let opened = sample.open_at(place, field, &sealed).await;
        assert!(matches!(opened, Err(Error::NotOpened { .. })), "{opened:?}");
    }
    let other: TenantId = "other".parse().unwrap();
    let opened = sample.open_at(Place { tenant: &other, ..here }, "name", &sealed).await;
    assert!(matches!(opened, Err(Error::UnknownKey(_))), "another tenant has no such key: {opened:?}");
}

#[tokio::test]
async fn a_text_that_looks_sealed_is_refused_and_a_malformed_one_named() {
    let sample = sample(FOR_EVER);
    let key = sample.keyring.key_of(&sample.tenant, &sample.ada).await.unwrap();
    let mut text = "enc:v1:anything".to_owned();
    let sealed = key.seal(sample.place(), [("name", &mut text)]);
    assert!(matches!(sealed, Err(Error::LooksSealed { field }) if field == "name"));
    let opened = sample.open("enc:v1:anything").await;
    assert!(matches!(opened, Err(Error::Malformed { field }) if field == "name"));
}

#[tokio::test]
async fn an_erased_subject_reads_as_erased_at_once_where_nothing_is_remembered() {
    let sample = sample(NEVER);
    let sealed = sample.seal("Ada Lovelace").await;
    sample.keys.destroy(&sample.tenant, &sample.ada);
    assert_eq!(sample.open(&sealed).await.unwrap(), ERASED);
    let again = sample.seal("Ada King").await;
    assert_eq!(sample.open(&again).await.unwrap(), "Ada King", "who comes back has a new key");
    assert_eq!(sample.open(&sealed).await.unwrap(), ERASED, "which opens nothing old");
}

#[tokio::test]
async fn a_remembered_key_opens_until_it_is_forgotten() {
    let sample = sample(FOR_EVER);
    let sealed = sample.seal("Ada Lovelace").await;
    assert_eq!(sample.open(&sealed).await.unwrap(), "Ada Lovelace");
    sample.keys.destroy(&sample.tenant, &sample.ada);
    assert_eq!(sample.open(&sealed).await.unwrap(), "Ada Lovelace", "the bound is for ever here");
    sample.keyring.forget();
    assert_eq!(sample.open(&sealed).await.unwrap(), ERASED);
}

#[tokio::test]
async fn two_processes_agree_on_a_subjects_key() {
    let sample = sample(NEVER);
    let keys = futures::future::join_all(
        (0..32).map(|_| async { sample.keyring.key_of(&sample.tenant, &sample.ada).await.unwrap().key_id() }),
    )
    .await;
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
}

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "/////wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn a_rotation_wraps_the_same_key_anew_and_needs_the_old_master_key() {
    let (tenant, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
    let old = MasterKeys::parse(&format!("old:{KEY}")).unwrap();
    let both = MasterKeys::parse(&format!("# newest first\nnew:{NEW_KEY}\n\nold:{KEY}\n")).unwrap();
    let new = MasterKeys::parse(&format!("new:{NEW_KEY}")).unwrap();
    assert_eq!(both.current(), "new");

    let stored = old.new_key(&tenant, &ada);
    let rewrapped = both.rewrap(&tenant, &stored).unwrap().expect("it is wrapped by the old one");
    assert_eq!(rewrapped.key_id, stored.key_id);
    assert!(matches!(&rewrapped.state, KeyState::Wrapped { master, .. } if master == "new"));
    assert_eq!(both.rewrap(&tenant, &rewrapped).unwrap(), None, "once is enough");
    assert!(new.rewrap(&tenant, &rewrapped).unwrap().is_none());
    assert!(
        matches!(new.rewrap(&tenant, &stored), Err(Error::UnknownMasterKey { master, .. }) if master == "old")
    );

    let moved = StoredKey { subject: "eve".parse().unwrap(), ..stored };
    assert!(
        matches!(both.rewrap(&tenant, &moved), Err(Error::NotUnwrapped { .. })),
        "a wrapped key stays in its row"
    );
}

#[test]
fn master_keys_are_read_or_named_by_line() {
    for (text, wrong_line) in [
        ("", None),
        ("# nothing", None),
        ("nocolon", Some(1)),
        (":AAAA", Some(1)),
        ("\na:AAAA", Some(2)),
        ("a:not base64!", Some(1)),
        (&format!("a:{KEY}\na:{KEY}"), Some(2)),
    ] {
        match (MasterKeys::parse(text), wrong_line) {
            (Err(Error::MasterKey { line, .. }), Some(wrong)) => assert_eq!(line, wrong, "{text:?}"),
            (Err(Error::NoMasterKey), None) => {}
            (other, _) => panic!("{text:?}: {other:?}"),
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("a:{KEY}")).unwrap();
    let config = KeyringConfig {
        master_keys: None,
        master_key_file: Some(file.path().to_owned()),
        subject_key_ms_max: 1,
    };
    assert_eq!(config.master_keys().unwrap().unwrap().current(), "a");
    let debugged = format!(
        "{:?} {:?}",
        config,
        KeyringConfig { master_keys: Some(format!("a:{KEY}")), ..config.clone() }
    );
    assert!(!debugged.contains(KEY), "{debugged}");
}
