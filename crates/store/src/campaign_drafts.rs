//! Writing a campaign. Every edit names the version that it was based on; an edit of an older version is refused, never merged.

use diesel::dsl::{And, Eq};
use diesel::prelude::*;
use tidings_domain::{CampaignState, Deadline, UnixMs, Word};

use crate::campaigns::{EXCLUDE, INCLUDE};
use crate::connection::on;
use crate::schema::{campaign_events, campaign_lists, campaigns, lists};
use crate::ways::{default_way, is_ours};
use crate::{AnyConn, Campaign, CampaignId, ListId, StoreResult, Way, Workspace, WorkspaceId};

/// The longest event text that is stored, in characters.
const MAX_EVENT_CHARS: usize = 500;

/// What a campaign starts from.
#[derive(Debug, Clone, Default)]
pub struct NewCampaign {
    pub details: CampaignDetails,
    pub content: CampaignBody,
}

/// Name, sender, subject, and when it gives up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignDetails {
    pub name: String,
    pub from_name: String,
    pub from_email: String,
    pub reply_to: String,
    pub subject: String,
    pub preview_text: String,
    pub deadline: Deadline,
    /// `None`: the workspace's, as it is at the launch.
    pub way: Option<Way>,
}

/// The two columns of a deadline: hours, and an instant.
fn deadline_columns(deadline: Deadline) -> (Option<i32>, Option<i64>) {
    match deadline {
        Deadline::None => (None, None),
        Deadline::Hours(hours) => (i32::try_from(hours).ok(), None),
        Deadline::At(at) => (None, Some(at.0)),
    }
}

/// The two parts and what is tracked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignBody {
    pub html: String,
    pub text: String,
    pub text_is_generated: bool,
    pub track_opens: bool,
    pub track_clicks: bool,
}

/// What an edit came to.
#[derive(Debug, Clone)]
pub enum Edited {
    Saved {
        version: i64,
    },
    /// Somebody saved in between: who and what stands now.
    Conflict {
        by: String,
        current: Box<Campaign>,
    },
    /// Launched in between: the content is frozen.
    NotDraft,
}

impl Workspace {
    /// A new draft.
    ///
    /// # Errors
    /// The database's own.
    pub async fn create_campaign(&self, new: NewCampaign, by: &str, now: UnixMs) -> StoreResult<CampaignId> {
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let id = insert(conn, ws, &new, &by, now)?;
            log_event(conn, ws, id, &by, "Created the campaign", now)?;
            Ok(id)
        })
        .await
    }

    /// A new draft with the content, sender and lists of any campaign, also one that was sent.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn duplicate_campaign(&self, id: CampaignId, by: &str, now: UnixMs) -> StoreResult<CampaignId> {
        let original = self.campaign(id).await?;
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let what = format!("Created as a copy of “{}”", original.head.name);
            let mut copy = copy_of(original);
            // What a launch froze is no choice for the copy.
            let default = default_way(conn, ws)?;
            copy.details.way = copy.details.way.filter(|way| default != Some(*way));
            let copy = insert(conn, ws, &copy, &by, now)?;
            copy_lists(conn, ws, id, copy)?;
            log_event(conn, ws, copy, &by, &what, now)?;
            Ok(copy)
        })
        .await
    }

    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn save_details(
        &self,
        id: CampaignId,
        version: i64,
        details: CampaignDetails,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<Edited> {
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let (hours, at) = deadline_columns(details.deadline);
            let way = own_way(conn, ws, details.way)?;
            let changed = (
                campaigns::deadline_hours.eq(hours),
                campaigns::deadline_at_ms.eq(at),
                campaigns::name.eq(&details.name),
                campaigns::from_name.eq(&details.from_name),
                campaigns::from_email.eq(&details.from_email),
                campaigns::reply_to.eq(&details.reply_to),
                campaigns::subject.eq(&details.subject),
                campaigns::preview_text.eq(&details.preview_text),
                campaigns::route_id.eq(way.and_then(Way::route)),
                campaigns::pool_id.eq(way.and_then(Way::pool)),
            );
            let saved = diesel::update(campaigns::table)
                .filter(editable(ws, id, version))
                .set((changed, campaigns::version.eq(version + 1), campaigns::updated_at_ms.eq(now.0)))
                .execute(conn)?;
            finish_edit(conn, saved, Edit { ws, id, version, by: &by, what: "Edited sender and subject", now })
        })
        .await
    }

    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn save_content(
        &self,
        id: CampaignId,
        version: i64,
        body: CampaignBody,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<Edited> {
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let changed = (
                campaigns::html.eq(&body.html),
                campaigns::text.eq(&body.text),
                campaigns::text_is_generated.eq(body.text_is_generated),
                campaigns::track_opens.eq(body.track_opens),
                campaigns::track_clicks.eq(body.track_clicks),
            );
            let saved = diesel::update(campaigns::table)
                .filter(editable(ws, id, version))
                .set((changed, campaigns::version.eq(version + 1), campaigns::updated_at_ms.eq(now.0)))
                .execute(conn)?;
            finish_edit(conn, saved, Edit { ws, id, version, by: &by, what: "Edited the content", now })
        })
        .await
    }

    /// Replaces the lists. A list that stands in both roles is excluded: leaving out wins.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn save_recipients(
        &self,
        id: CampaignId,
        version: i64,
        include: Vec<ListId>,
        exclude: Vec<ListId>,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<Edited> {
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let saved = diesel::update(campaigns::table)
                .filter(editable(ws, id, version))
                .set((campaigns::version.eq(version + 1), campaigns::updated_at_ms.eq(now.0)))
                .execute(conn)?;
            if saved == 1 {
                replace_lists(conn, ws, id, &include, &exclude)?;
            }
            finish_edit(conn, saved, Edit { ws, id, version, by: &by, what: "Chose the recipients", now })
        })
        .await
    }
}

type OwnCampaign = And<Eq<campaigns::id, CampaignId>, Eq<campaigns::workspace_id, i64>>;
type DraftAtVersion = And<Eq<campaigns::state, &'static str>, Eq<campaigns::version, i64>>;

/// The guard of every edit: this tenant's draft, in the version that the writer saw.
fn editable(ws: WorkspaceId, id: CampaignId, version: i64) -> And<OwnCampaign, DraftAtVersion> {
    let own = campaigns::id.eq(id).and(campaigns::workspace_id.eq(ws.0));
    own.and(campaigns::state.eq(CampaignState::Draft.as_str()).and(campaigns::version.eq(version)))
}

struct Edit<'a> {
    ws: WorkspaceId,
    id: CampaignId,
    version: i64,
    by: &'a str,
    what: &'a str,
    now: UnixMs,
}

fn finish_edit(conn: &mut AnyConn, saved: usize, edit: Edit<'_>) -> StoreResult<Edited> {
    if saved == 1 {
        log_event(conn, edit.ws, edit.id, edit.by, edit.what, edit.now)?;
        return Ok(Edited::Saved { version: edit.version + 1 });
    }
    let row = campaigns::table.filter(campaigns::id.eq(edit.id)).filter(campaigns::workspace_id.eq(edit.ws.0));
    let current: Campaign = row.select(Campaign::as_select()).first(conn)?;
    if current.head.state != CampaignState::Draft {
        return Ok(Edited::NotDraft);
    }
    Ok(Edited::Conflict { by: last_actor(conn, edit.id)?, current: Box::new(current) })
}

fn last_actor(conn: &mut AnyConn, id: CampaignId) -> StoreResult<String> {
    let newest = campaign_events::table.filter(campaign_events::campaign_id.eq(id.0));
    let actor = newest.order(campaign_events::id.desc()).select(campaign_events::actor).first(conn).optional()?;
    Ok(actor.unwrap_or_default())
}

/// Writes to the campaign's event log. The same deed of the same person in a row is one line with the latest time, so
/// that an afternoon of saving does not bury what matters.
pub(crate) fn log_event(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    id: CampaignId,
    actor: &str,
    what: &str,
    now: UnixMs,
) -> StoreResult<()> {
    let what: String = what.chars().take(MAX_EVENT_CHARS).collect();
    let newest: Option<(i64, String, String)> = campaign_events::table
        .filter(campaign_events::campaign_id.eq(id.0))
        .order(campaign_events::id.desc())
        .select((campaign_events::id, campaign_events::actor, campaign_events::what))
        .first(conn)
        .optional()?;
    match newest {
        Some((event, last_actor, last_what)) if last_actor == actor && last_what == what => {
            diesel::update(campaign_events::table.filter(campaign_events::id.eq(event)))
                .set(campaign_events::at_ms.eq(now.0))
                .execute(conn)?
        }
        _ => diesel::insert_into(campaign_events::table)
            .values((
                campaign_events::workspace_id.eq(ws.0),
                campaign_events::campaign_id.eq(id.0),
                campaign_events::at_ms.eq(now.0),
                campaign_events::actor.eq(actor),
                campaign_events::what.eq(&what),
            ))
            .execute(conn)?,
    };
    Ok(())
}

/// A way of somebody else's is none.
fn own_way(conn: &mut AnyConn, ws: WorkspaceId, way: Option<Way>) -> StoreResult<Option<Way>> {
    match way {
        Some(way) if is_ours(conn, ws, way)? => Ok(Some(way)),
        _ => Ok(None),
    }
}

fn copy_of(original: Campaign) -> NewCampaign {
    let Campaign { head, content } = original;
    NewCampaign {
        details: CampaignDetails {
            name: format!("{} (copy)", head.name),
            from_name: head.from_name,
            from_email: head.from_email,
            reply_to: content.reply_to,
            subject: head.subject,
            preview_text: content.preview_text,
            // An instant was meant for the original.
            deadline: head.deadline_hours.map_or(Deadline::None, |hours| Deadline::Hours(hours.unsigned_abs())),
            way: Way::of(head.route_id, head.pool_id),
        },
        content: CampaignBody {
            html: content.html,
            text: content.text,
            text_is_generated: content.text_is_generated,
            track_opens: content.track_opens,
            track_clicks: content.track_clicks,
        },
    }
}

fn insert(conn: &mut AnyConn, ws: WorkspaceId, new: &NewCampaign, by: &str, now: UnixMs) -> StoreResult<CampaignId> {
    let NewCampaign { details, content } = new;
    let (hours, at) = deadline_columns(details.deadline);
    let way = own_way(conn, ws, details.way)?;
    let id = diesel::insert_into(campaigns::table)
        .values((
            (
                campaigns::workspace_id.eq(ws.0),
                campaigns::name.eq(&details.name),
                campaigns::from_name.eq(&details.from_name),
                campaigns::from_email.eq(&details.from_email),
                campaigns::reply_to.eq(&details.reply_to),
                campaigns::subject.eq(&details.subject),
                campaigns::preview_text.eq(&details.preview_text),
                campaigns::deadline_hours.eq(hours),
                campaigns::deadline_at_ms.eq(at),
                campaigns::route_id.eq(way.and_then(Way::route)),
                campaigns::pool_id.eq(way.and_then(Way::pool)),
            ),
            (
                campaigns::html.eq(&content.html),
                campaigns::text.eq(&content.text),
                campaigns::text_is_generated.eq(content.text_is_generated),
                campaigns::track_opens.eq(content.track_opens),
                campaigns::track_clicks.eq(content.track_clicks),
                campaigns::created_by.eq(by),
                campaigns::created_at_ms.eq(now.0),
                campaigns::updated_at_ms.eq(now.0),
            ),
        ))
        .returning(campaigns::id)
        .get_result::<CampaignId>(conn)?;
    Ok(id)
}

#[derive(Insertable)]
#[diesel(table_name = campaign_lists)]
struct NewCampaignList {
    campaign_id: i64,
    list_id: i64,
    workspace_id: i64,
    role: &'static str,
    list_name: String,
}

fn replace_lists(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    id: CampaignId,
    include: &[ListId],
    exclude: &[ListId],
) -> StoreResult<()> {
    diesel::delete(campaign_lists::table.filter(campaign_lists::campaign_id.eq(id.0))).execute(conn)?;
    let named: Vec<i64> = include.iter().chain(exclude).map(|l| l.0).collect();
    // Reading the names through the workspace also drops ids that are not this tenant's.
    let known: Vec<(i64, String)> = lists::table
        .filter(lists::workspace_id.eq(ws.0))
        .filter(lists::id.eq_any(named))
        .select((lists::id, lists::name))
        .load(conn)?;
    let rows: Vec<NewCampaignList> = known
        .into_iter()
        .map(|(list_id, list_name)| {
            let role = if exclude.contains(&ListId(list_id)) { EXCLUDE } else { INCLUDE };
            NewCampaignList { campaign_id: id.0, list_id, workspace_id: ws.0, role, list_name }
        })
        .collect();
    on!(conn, |c| diesel::insert_into(campaign_lists::table).values(&rows).execute(c))?;
    Ok(())
}

fn copy_lists(conn: &mut AnyConn, ws: WorkspaceId, from: CampaignId, to: CampaignId) -> StoreResult<()> {
    let rows: Vec<(i64, String)> = campaign_lists::table
        .filter(campaign_lists::campaign_id.eq(from.0))
        .select((campaign_lists::list_id, campaign_lists::role))
        .load(conn)?;
    let of_role = |wanted: &str| -> Vec<ListId> {
        rows.iter().filter(|(_, role)| role == wanted).map(|(list, _)| ListId(*list)).collect()
    };
    // Lists that were deleted since are left out: there is nobody on them.
    replace_lists(conn, ws, to, &of_role(INCLUDE), &of_role(EXCLUDE))
}
