//! mail-auth's verifier, with the keys in its cache instead of in DNS.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};

/// TXT records by their absolute names.
pub type Published = HashMap<String, String>;

struct Zone(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Zone {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _name: Box<str>, _value: Txt, _valid_until: Instant) {}
}

/// Of each signature of the message its `d=`, or why it is not good.
pub async fn verdicts(message: &[u8], published: &Published) -> Vec<Result<String, String>> {
    let zone = published.iter().map(|(name, text)| {
        let key = DomainKey::parse(text.as_bytes()).expect("a good record");
        (name.clone().into_boxed_str(), Txt::DomainKey(Arc::new(key)))
    });
    let zone = Zone(zone.collect());
    // Nobody is asked: every key is in the cache.
    let verifier = MessageAuthenticator::new_google().expect("a verifier");
    let message = AuthenticatedMessage::parse(message).expect("a message");
    let found = verifier.verify_dkim(Parameters::from(&message).with_txt_cache(&zone)).await;
    let verdict = |output: &mail_auth::DkimOutput<'_>| match output.result() {
        DkimResult::Pass => Ok(output.signature().expect("a signature").d.clone()),
        other => Err(format!("{other:?}")),
    };
    found.iter().map(verdict).collect()
}

/// The value of the first field of this name, as it stands.
pub fn field(message: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let from = if text.starts_with(&format!("{name}:")) {
        0
    } else {
        text.find(&format!("\r\n{name}:")).expect("it is there") + 2
    };
    let value = &text[from + name.len() + 1..];
    let end = value.match_indices("\r\n").find(|(at, _)| !value[at + 2..].starts_with([' ', '\t'])).expect("its end").0;
    value[..end + 2].to_owned()
}
