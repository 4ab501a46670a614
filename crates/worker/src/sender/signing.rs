//! Whose name a message is signed in, and with which keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tidings_compose::{DkimKey, Keys, Signer};
use tidings_domain::{SendingDomainState, covers};
use tidings_store::{SigningDomain, Store, WorkspaceId};

use super::signers::{Signers, Unsigned};

/// A workspace's keys are read again after this: a key that is gone from DNS is used no longer than this after it was found out.
const FRESH: Duration = Duration::from_secs(5);
/// Workspaces whose keys are held open; beyond it all are let go and opened again as needed.
const KEPT_WORKSPACES: usize = 1_000;

/// Who signs for a From address.
pub enum Identity {
    /// The workspace signs nothing in this name: a relay may.
    Unsigned,
    Signed(Arc<Signer>),
    /// It should be signed and cannot be: why, in words for a person.
    Refused(String),
}

pub struct Signing {
    store: Store,
    keys: Arc<Keys>,
    /// Started when there is something to sign.
    signers: OnceLock<Signers>,
    known: Mutex<HashMap<WorkspaceId, Known>>,
}

#[derive(Clone)]
struct Known {
    read: Instant,
    domains: Arc<[Opened]>,
}

/// A domain with its keys open. Those stay open as long as the rows are the same.
struct Opened {
    row: SigningDomain,
    signer: Option<Arc<Signer>>,
    is_unreadable: bool,
}

impl Signing {
    pub fn new(store: Store, keys: Arc<Keys>) -> Self {
        Self { store, keys, signers: OnceLock::new(), known: Mutex::default() }
    }

    /// # Errors
    /// The database cannot be read.
    pub async fn identity(&self, workspace: WorkspaceId, from_domain: &str) -> anyhow::Result<Identity> {
        Ok(choose(&self.domains(workspace).await?, from_domain))
    }

    /// Off the async threads.
    ///
    /// # Errors
    /// The library refuses.
    pub async fn sign(&self, unsigned: Unsigned) -> anyhow::Result<Vec<u8>> {
        self.signers.get_or_init(Signers::start).sign(unsigned).await
    }

    async fn domains(&self, workspace: WorkspaceId) -> anyhow::Result<Arc<[Opened]>> {
        let known = self.kept().get(&workspace).cloned();
        if let Some(known) = &known
            && known.read.elapsed() < FRESH
        {
            return Ok(Arc::clone(&known.domains));
        }
        let rows = self.store.workspace(workspace).signing_domains().await.context("reading the DKIM keys")?;
        let domains = match known {
            Some(known) if known.domains.iter().map(|opened| &opened.row).eq(&rows) => known.domains,
            _ => {
                let keys = Arc::clone(&self.keys);
                // Reading an RSA key checks it, which takes its time.
                let opened = move || rows.into_iter().map(|row| open(&keys, workspace, row)).collect();
                tokio::task::spawn_blocking(opened).await.context("opening the DKIM keys")?
            }
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT_WORKSPACES {
            kept.clear();
        }
        kept.insert(workspace, Known { read: Instant::now(), domains: Arc::clone(&domains) });
        Ok(domains)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(keys: &Keys, workspace: WorkspaceId, row: SigningDomain) -> Opened {
    let open = |key: &tidings_store::DkimKey| {
        let context = tidings_store::DkimKey::seal_context(workspace, &row.name, &key.selector);
        DkimKey::open(keys, &context, key.algorithm, &key.selector, &key.private_sealed)
    };
    match row.keys.iter().map(open).collect::<Result<Vec<_>, _>>() {
        Ok(open) => {
            let signer = (!open.is_empty()).then(|| Arc::new(Signer::new(&row.name, open)));
            Opened { signer, row, is_unreadable: false }
        }
        Err(error) => {
            tracing::error!(domain = row.name, %error, "mail from this domain waits");
            Opened { row, signer: None, is_unreadable: true }
        }
    }
}

/// The nearest domain that can sign; where none can, the nearest that should.
fn choose(domains: &[Opened], from_domain: &str) -> Identity {
    let mut covering: Vec<&Opened> = domains.iter().filter(|opened| covers(&opened.row.name, from_domain)).collect();
    covering.sort_by_key(|opened| std::cmp::Reverse(opened.row.name.len()));
    if let Some(signer) = covering.iter().find_map(|opened| opened.signer.as_ref()) {
        return Identity::Signed(Arc::clone(signer));
    }
    let words = |opened: &&Opened| match opened.row.state {
        _ if opened.is_unreadable => Some(format!(
            "The DKIM key of {} was stored under another instance's key and cannot be opened. Make new keys under Settings, Domains.",
            opened.row.name
        )),
        SendingDomainState::Failing => Some(format!(
            "No DKIM key of {} stands in DNS any more, so mail from it cannot be signed. Settings, Domains shows what to publish.",
            opened.row.name
        )),
        SendingDomainState::Unverified | SendingDomainState::Verified => None,
    };
    covering.iter().find_map(words).map_or(Identity::Unsigned, Identity::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_compose::make_dkim_key;
    use tidings_domain::{DkimAlgorithm, DkimKeyState};
    use tidings_store::{DkimKeyId, SendingDomainId};

    const WORKSPACE: WorkspaceId = WorkspaceId(1);

    fn row(name: &str, state: SendingDomainState, keys: &Keys) -> SigningDomain {
        let made = make_dkim_key(DkimAlgorithm::Ed25519).expect("a key");
        let key = tidings_store::DkimKey {
            id: DkimKeyId(1),
            workspace_id: WORKSPACE,
            domain_id: SendingDomainId(1),
            algorithm: DkimAlgorithm::Ed25519,
            selector: "s".to_owned(),
            private_sealed: made.seal(keys, &tidings_store::DkimKey::seal_context(WORKSPACE, name, "s")),
            public_key: made.public_key,
            state: DkimKeyState::Active,
            created_at_ms: 0,
            published_at_ms: Some(0),
            missed_since_ms: None,
            activated_at_ms: Some(0),
            retired_at_ms: None,
            revoked_at_ms: None,
        };
        let keys = if state == SendingDomainState::Verified { vec![key] } else { Vec::new() };
        SigningDomain { name: name.to_owned(), state, keys }
    }

    fn chosen(domains: &[(&str, SendingDomainState)], from: &str, sealed_with: &Keys) -> String {
        let keys = Keys::new(&[1; 32]);
        let opened: Vec<Opened> =
            domains.iter().map(|(name, state)| open(&keys, WORKSPACE, row(name, *state, sealed_with))).collect();
        match choose(&opened, from) {
            Identity::Unsigned => "unsigned".to_owned(),
            Identity::Refused(words) => words,
            Identity::Signed(signer) => signer.domain().to_owned(),
        }
    }

    #[test]
    fn the_nearest_verified_domain_signs() {
        use SendingDomainState::{Failing, Unverified, Verified};
        let keys = Keys::new(&[1; 32]);
        let shop = [("shop.example", Verified), ("news.shop.example", Verified), ("other.example", Verified)];
        assert_eq!(chosen(&shop, "shop.example", &keys), "shop.example");
        assert_eq!(chosen(&shop, "a.shop.example", &keys), "shop.example");
        assert_eq!(chosen(&shop, "x.news.shop.example", &keys), "news.shop.example");
        assert_eq!(chosen(&shop, "elsewhere.example", &keys), "unsigned");
        let failing = [("shop.example", Verified), ("news.shop.example", Failing)];
        assert_eq!(chosen(&failing, "news.shop.example", &keys), "shop.example");
        assert!(chosen(&failing[1..], "news.shop.example", &keys).starts_with("No DKIM key of news.shop.example"));
        assert_eq!(chosen(&[("shop.example", Unverified)], "shop.example", &keys), "unsigned");
        assert_eq!(chosen(&[], "shop.example", &keys), "unsigned");
        let restored = Keys::new(&[9; 32]);
        assert!(chosen(&shop[..1], "shop.example", &restored).contains("cannot be opened"));
    }
}
