//! What demo and benchmarks set up through the product's own doors: a workspace with a list, a route and a campaign.

use anyhow::{Context, bail};
use tidings_compose::{Content, freeze};
use tidings_domain::{BounceLimits, UnixMs};
use tidings_store::{
    CampaignBody, CampaignDetails, CampaignId, Edited, FrozenContent, Launch, Launched, ListId, NewAdmin, NewCampaign,
    NewRoute, Organisation, RouteId, Store, UserId, Workspace,
};
use tidings_worker::now;

/// Who did it, in event logs.
pub const ACTOR: &str = "tidings";

pub struct Scene {
    pub workspace: Workspace,
    pub admin: UserId,
    pub route: RouteId,
}

pub struct Sender<'a> {
    pub organisation: &'a str,
    pub postal_address: &'a str,
    pub from_name: &'a str,
    pub from_email: &'a str,
}

/// An admin without a password (who gets in by a one-time link), a workspace, a route.
pub async fn set_up(store: &Store, sender: &Sender<'_>, route: NewRoute) -> anyhow::Result<Scene> {
    let admin = NewAdmin {
        email: sender.from_email.to_owned(),
        name: "Demo".to_owned(),
        password_hash: String::new(),
        workspace_name: sender.organisation.to_owned(),
    };
    let (admin, id) = store.add_admin(admin, now()).await?;
    let workspace = store.workspace(id);
    let organisation = Organisation {
        name: sender.organisation.to_owned(),
        postal_address: sender.postal_address.to_owned(),
        time_zone: "UTC".to_owned(),
    };
    workspace.save_organisation(organisation).await?;
    workspace.save_sender(sender.from_name.to_owned(), sender.from_email.to_owned()).await?;
    let route = workspace.save_route(route, now()).await?;
    // Bounces are what sandboxes are for; nobody is to be stopped for them.
    let never =
        BounceLimits { pause_hard_bounces: 0, pause_complaints: 0, warn_complaints: 0, ..BounceLimits::default() };
    workspace.set_bounce_limits(never, ACTOR, now()).await?;
    Ok(Scene { workspace, admin, route })
}

pub struct CampaignPlan {
    pub details: CampaignDetails,
    pub html: String,
    pub track: bool,
}

pub async fn draft(workspace: &Workspace, list: ListId, plan: CampaignPlan) -> anyhow::Result<CampaignId> {
    let text = tidings_compose::text_from_html(&plan.html);
    let content = CampaignBody {
        html: plan.html,
        text,
        text_is_generated: true,
        track_opens: plan.track,
        track_clicks: plan.track,
    };
    let id = workspace.create_campaign(NewCampaign { details: plan.details, content }, ACTOR, now()).await?;
    let head = workspace.campaign_head(id).await?;
    match workspace.save_recipients(id, head.version, vec![list], Vec::new(), ACTOR, now()).await? {
        Edited::Saved { .. } => Ok(id),
        _ => bail!("the new draft was changed by somebody else"),
    }
}

/// Freezes and launches, as the launch page does.
pub async fn launch(scene: &Scene, id: CampaignId, list_name: &str) -> anyhow::Result<()> {
    launch_at(scene, id, list_name, now()).await
}

/// As if it were that time.
pub async fn launch_at(scene: &Scene, id: CampaignId, list_name: &str, at: UnixMs) -> anyhow::Result<()> {
    let campaign = scene.workspace.campaign(id).await?;
    let organisation = scene.workspace.details().await?;
    let (head, body) = (campaign.head, campaign.content);
    let content = Content {
        subject: head.subject,
        preview_text: body.preview_text,
        from_name: head.from_name,
        from_email: head.from_email,
        reply_to: body.reply_to,
        html: body.html,
        text: body.text,
        track_opens: body.track_opens,
        track_clicks: body.track_clicks,
        postal_address: organisation.postal_address,
        list_name: list_name.to_owned(),
    };
    let frozen = freeze(&content).map_err(|findings| {
        anyhow::anyhow!(
            "the campaign cannot be launched: {}",
            findings.iter().map(|f| f.title.as_str()).collect::<Vec<_>>().join("; ")
        )
    })?;
    let content = FrozenContent {
        subject: frozen.content.subject,
        preview_text: frozen.content.preview_text,
        from_name: frozen.content.from_name,
        from_email: frozen.content.from_email,
        reply_to: frozen.content.reply_to,
        html: frozen.content.html,
        text: frozen.content.text,
        track_opens: frozen.content.track_opens,
        track_clicks: frozen.content.track_clicks,
        postal_address: frozen.content.postal_address,
        list_name: frozen.content.list_name,
        links: serde_json::to_string(&frozen.links).context("storing the links")?,
    };
    let launch = Launch { content, route: Some(scene.route), expected_version: head.version, by: ACTOR.to_owned() };
    match scene.workspace.launch(id, launch, at).await? {
        Launched::Yes { .. } => Ok(()),
        other => bail!("the campaign was not launched: {other:?}"),
    }
}
