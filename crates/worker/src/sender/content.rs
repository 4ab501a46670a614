//! From a ledger row to a message: compiled revisions, kept while they are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tidings_compose::{Content, Frozen, Keys, Mailer, Message, Origin, Recipient, Site};
use tidings_domain::Service;
use tidings_store::{Revision, RevisionId, Store, Work};

use super::signers::Unsigned;
use super::signing::{Identity, Signing};
use crate::now;

/// Compiled revisions kept at one time; beyond it all are let go and compiled again as needed.
const KEPT_REVISIONS: usize = 64;

/// What every mail says of this installation.
#[derive(Debug, Clone)]
pub struct SiteOptions {
    pub public_url: String,
    /// `None`: return paths stay within the From address's domain.
    pub bounce_domain: Option<String>,
}

/// Why there is no message to send.
#[derive(Debug)]
pub enum Unmade {
    /// The revision is gone or does not compile, or the template fails for this recipient. Trying again gives the same.
    Render(anyhow::Error),
    /// It must not go out unsigned: in words for a person.
    NoSigningKey(String),
    /// The database or the process is at fault: another time it may work.
    Later(anyhow::Error),
}

pub struct Contents {
    store: Store,
    keys: Arc<Keys>,
    site: SiteOptions,
    signing: Signing,
    compiled: Mutex<HashMap<RevisionId, Arc<Mailer>>>,
}

impl Contents {
    pub fn new(store: Store, keys: Arc<Keys>, site: SiteOptions) -> Self {
        let signing = Signing::new(store.clone(), Arc::clone(&keys));
        Self { store, keys, site, signing, compiled: Mutex::default() }
    }

    /// Made, and signed when its From domain has keys. `via`: the service whose relay takes it.
    ///
    /// # Errors
    /// [`Unmade`].
    pub async fn message(&self, work: &Work, via: Option<Service>) -> Result<Message, Unmade> {
        let mailer = self.mailer(work.revision).await?;
        let at = now();
        let made = mailer.message_via(&recipient(work), at, via).context("the message could not be made");
        let mut message = made.map_err(Unmade::Render)?;
        match self.signing.identity(work.workspace, mailer.from_domain()).await.map_err(Unmade::Later)? {
            Identity::Unsigned => {}
            Identity::Refused(words) => return Err(Unmade::NoSigningKey(words)),
            Identity::Signed(signer) => {
                let unsigned = Unsigned { signer, message: std::mem::take(&mut message.data), at, via };
                message.data = self.signing.sign(unsigned).await.map_err(Unmade::Later)?;
            }
        }
        Ok(message)
    }

    async fn mailer(&self, id: RevisionId) -> Result<Arc<Mailer>, Unmade> {
        if let Some(mailer) = self.kept().get(&id) {
            return Ok(Arc::clone(mailer));
        }
        let read = self.store.revision(id).await.map_err(|error| Unmade::Later(error.into()))?;
        let revision = read.context("the campaign's content is gone").map_err(Unmade::Render)?;
        let mailer = Arc::new(self.compile(revision).map_err(Unmade::Render)?);
        let mut kept = self.kept();
        if kept.len() >= KEPT_REVISIONS {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&mailer));
        Ok(mailer)
    }

    fn compile(&self, revision: Revision) -> anyhow::Result<Mailer> {
        let frozen = revision.content;
        let links: Vec<String> = serde_json::from_str(&frozen.links).context("the campaign's links are damaged")?;
        let from_domain = frozen.from_email.rsplit('@').next().unwrap_or_default().to_owned();
        let site = Site {
            public_url: self.site.public_url.clone(),
            bounce_domain: self.site.bounce_domain.clone().unwrap_or_else(|| from_domain.clone()),
            // Named by the operator, its mail comes back to us; another domain's mail is its owner's.
            takes_unsubscribe_mails: self.site.bounce_domain.is_some(),
            list_id_host: from_domain,
        };
        let content = Content {
            subject: frozen.subject,
            preview_text: frozen.preview_text,
            from_name: frozen.from_name,
            from_email: frozen.from_email,
            reply_to: frozen.reply_to,
            html: frozen.html,
            text: frozen.text,
            track_opens: frozen.track_opens,
            track_clicks: frozen.track_clicks,
            postal_address: frozen.postal_address,
            list_name: frozen.list_name,
        };
        let origin = Origin { workspace: revision.workspace_id.0, campaign: revision.campaign_id.0 };
        Mailer::compile(&Frozen { content, links }, origin, &site, Arc::clone(&self.keys))
            .map_err(|findings| anyhow::anyhow!("the campaign's content does not compile: {}", words(&findings)))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<RevisionId, Arc<Mailer>>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test message without a subscriber is made with empty fields: the template's fallbacks show.
fn recipient(work: &Work) -> Recipient {
    let (first_name, last_name, attributes) = match &work.subscriber {
        Some(data) => (data.first_name.clone(), data.last_name.clone(), data.attributes.clone()),
        None => (String::new(), String::new(), "{}".to_owned()),
    };
    Recipient { delivery: work.delivery.0, email: work.recipient.clone(), first_name, last_name, attributes }
}

fn words(findings: &[tidings_compose::Finding]) -> String {
    findings.iter().map(|f| f.title.as_str()).collect::<Vec<_>>().join("; ")
}
