use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_compose::{Content, Frozen, Keys, Mailer, Origin, Site};
use tidings_store::{Revision, RevisionId, Store, StoreError, StoreResult};

/// Revisions kept at one time; beyond it all are let go and read again as needed.
const KEPT: usize = 64;

/// A revision never changes, so its links are read once.
#[derive(Default)]
pub struct Revisions {
    kept: Mutex<HashMap<RevisionId, Arc<Known>>>,
}

pub struct Known {
    revision: Revision,
    pub links: Vec<String>,
}

impl Revisions {
    /// `None` when the revision is gone.
    pub async fn get(&self, store: &Store, id: RevisionId) -> StoreResult<Option<Arc<Known>>> {
        if let Some(known) = self.kept().get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(revision) = store.revision(id).await? else { return Ok(None) };
        let links = serde_json::from_str(&revision.content.links)
            .map_err(|error| StoreError::Corrupt(format!("the links of revision {id}: {error}")))?;
        let known = Arc::new(Known { revision, links });
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&known));
        Ok(Some(known))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<RevisionId, Arc<Known>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Compiled for one look: people look at single messages, seldom, long after the sending.
    pub fn mailer(&self, public_url: &str, keys: Arc<Keys>) -> Option<Mailer> {
        let frozen = self.revision.content.clone();
        // Neither is shown.
        let from_domain = frozen.from_email.rsplit('@').next().unwrap_or_default().to_owned();
        let site = Site {
            public_url: public_url.to_owned(),
            bounce_domain: from_domain.clone(),
            takes_unsubscribe_mails: false,
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
        let origin = Origin { workspace: self.revision.workspace_id.0, campaign: self.revision.campaign_id.0 };
        Mailer::compile(&Frozen { content, links: self.links.clone() }, origin, &site, keys).ok()
    }
}
