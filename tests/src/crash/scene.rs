//! The workspace, its lists and its campaigns.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tidings_compose::{Content, Frozen, Keys, Mailer, Origin, Site, text_from_html};
use tidings_domain::{BounceLimits, UnixMs};
use tidings_sandbox::content_hash;
use tidings_store::{
    CampaignBody, CampaignDetails, CampaignId, Edited, ListId, NewAdmin, NewCampaign, NewRoute, Organisation,
    RevisionId, Store, StoreOptions, SuppressionKey, Workspace,
};
use tidings_worker::import::{FileImport, Importer, finish_import, start_from_file};
use tidings_worker::now;

use super::ground::{BOUNCE_DOMAIN, Ground, PUBLIC_URL};
use super::pages::Pages;
use super::people::{Someone, csv};
use crate::binary::command;

const LETTER: &str = include_str!("letter.html");
const ADMIN: &str = "letters@crash.example";
/// Who did it, in event logs.
pub const ACTOR: &str = "harness";

pub struct Scene {
    pub store: Store,
    pub workspace: Workspace,
    pub keys: Arc<Keys>,
}

/// A campaign with a list of its own.
pub struct Letter {
    pub id: CampaignId,
    pub list: ListId,
    pub name: String,
    people: HashMap<String, Someone>,
}

impl Scene {
    /// Before the first process starts.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn set_up(ground: &Ground) -> anyhow::Result<Self> {
        let keys = Arc::new(Keys::new(&[7; 32]));
        std::fs::write(ground.data().join("instance.key"), INSTANCE_KEY).context("the instance key")?;
        let store = open(ground, &keys).await?;
        let admin = NewAdmin {
            email: ADMIN.to_owned(),
            name: "Harness".to_owned(),
            password_hash: String::new(),
            workspace_name: "Crash".to_owned(),
        };
        let (_, id) = store.add_admin(admin, now()).await?;
        let workspace = store.workspace(id);
        let organisation = Organisation {
            name: "Crash".to_owned(),
            postal_address: "1 Harbour Street, Porto".to_owned(),
            time_zone: "UTC".to_owned(),
        };
        workspace.save_organisation(organisation).await?;
        workspace.save_sender("Harness".to_owned(), ADMIN.to_owned()).await?;
        workspace.save_route(NewRoute::direct(), now()).await?;
        // Bounces are what the sandbox is for; nobody is to be stopped for them.
        let never =
            BounceLimits { pause_hard_bounces: 0, pause_complaints: 0, warn_complaints: 0, ..BounceLimits::default() };
        workspace.set_bounce_limits(never, ACTOR, now()).await?;
        Ok(Self { store, workspace, keys })
    }

    /// A list with these people on it, and a draft to them.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn draft(&self, ground: &Ground, name: String, people: &[Someone]) -> anyhow::Result<Letter> {
        let list = self.workspace.create_list(name.clone(), String::new(), now()).await?;
        let path = ground.folder().join(format!("{}.csv", name.replace(' ', "-")));
        std::fs::write(&path, csv(people)).context("the list's file")?;
        let file = FileImport {
            workspace: self.workspace.id(),
            list,
            path,
            consent_source: "crash harness".to_owned(),
            created_by: ACTOR.to_owned(),
        };
        let id = start_from_file(&self.store, file).await?;
        let import = finish_import(Importer::new(self.store.clone(), ACTOR), &self.store, id, |_| ()).await?;
        ensure!(import.error.is_empty(), "the import failed: {}", import.error);
        let details = CampaignDetails {
            name: name.clone(),
            from_name: "Harness".to_owned(),
            from_email: ADMIN.to_owned(),
            subject: "{{ first_name | default(\"Hello\") }}, once".to_owned(),
            ..CampaignDetails::default()
        };
        let content = CampaignBody {
            html: LETTER.to_owned(),
            text: text_from_html(LETTER),
            text_is_generated: true,
            track_opens: true,
            track_clicks: true,
        };
        let id = self.workspace.create_campaign(NewCampaign { details, content }, ACTOR, now()).await?;
        let version = self.workspace.campaign_head(id).await?.version;
        match self.workspace.save_recipients(id, version, vec![list], Vec::new(), ACTOR, now()).await? {
            Edited::Saved { .. } => {}
            _ => bail!("the new draft was changed by somebody else"),
        }
        let people = people.iter().map(|one| (one.email.clone(), one.clone())).collect();
        Ok(Letter { id, list, name, people })
    }

    /// What makes the messages of a launched campaign, as every worker does.
    ///
    /// # Errors
    /// Its content is gone or does not compile.
    pub async fn mailer(&self, revision: RevisionId) -> anyhow::Result<Mailer> {
        let revision = self.store.revision(revision).await?.context("the campaign's content is gone")?;
        let frozen = revision.content;
        let links: Vec<String> = serde_json::from_str(&frozen.links).context("the links")?;
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
        let site = Site {
            public_url: PUBLIC_URL.to_owned(),
            bounce_domain: BOUNCE_DOMAIN.to_owned(),
            takes_unsubscribe_mails: true,
            list_id_host: "crash.example".to_owned(),
        };
        let origin = Origin { workspace: revision.workspace_id.0, campaign: revision.campaign_id.0 };
        Mailer::compile(&Frozen { content, links }, origin, &site, Arc::clone(&self.keys))
            .map_err(|findings| anyhow::anyhow!("{findings:?}"))
    }

    /// # Errors
    /// The pages do not let us in.
    pub async fn sign_in(&self, ground: &Ground, servers: Vec<SocketAddr>) -> anyhow::Result<Pages> {
        let made = command().args(["sign-in-link", ADMIN]).envs(ground.environment()).output().await?;
        let text = String::from_utf8_lossy(&made.stdout).into_owned();
        let link = text.lines().next().and_then(|line| line.strip_prefix(PUBLIC_URL));
        Pages::sign_in(servers, link.with_context(|| format!("no link: {text}"))?).await
    }
}

impl Letter {
    /// Everybody who was on its list at the launch.
    pub fn invited(&self) -> impl Iterator<Item = &str> {
        self.people.keys().map(String::as_str)
    }

    /// The content that this recipient was to get.
    ///
    /// # Errors
    /// He is none of its people, or the template fails for him.
    pub fn expected(&self, mailer: &Mailer, delivery: i64, recipient: &str) -> anyhow::Result<String> {
        let someone = self.people.get(recipient).with_context(|| format!("{recipient} was not invited"))?;
        Ok(content_hash(&mailer.message(&someone.recipient(delivery)?, UnixMs(0))?.data))
    }
}

/// Base64 of 32 octets of 7.
const INSTANCE_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// As every process does, with a little pool of its own.
async fn open(ground: &Ground, keys: &Keys) -> anyhow::Result<Store> {
    let options = StoreOptions {
        max_connections: 4,
        has_shared_queue: ground.is_apart(),
        suppression_key: SuppressionKey::new(keys.suppression_key()),
        ..StoreOptions::default()
    };
    Ok(Store::open(&ground.database_url(), options).await?)
}
