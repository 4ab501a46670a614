use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Nullable};
use tidings_domain::{BounceClass, SkipReason, UnixMs, Word};

use super::attempts::{self, Grouped};
use super::campaign::{self, Standing};
use super::counts::{Deltas, Owner};
use super::months::Span;
use super::step::Step;
use super::{SYSTEM_ACTOR, unsent};
use crate::campaign_drafts::log_event;
use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::{AnyConn, CampaignId, ProviderId, ReplyGroupId, Store, StoreResult};

/// What the campaign's history says, once.
const PASSED: &str = "the deadline has passed: what was not sent by then is not sent any more";
/// The text of dead letters that nobody had refused.
const NO_REPLY: &str = "The campaign's deadline passed";

impl Store {
    /// Ends up to `limit` rows of a campaign whose deadline has passed, and says how many; 0: none is left, or there is no such
    /// deadline. What was never tried is skipped, all else is a dead letter. Rows in flight finish by themselves.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn end_at_deadline(&self, id: CampaignId, limit: i64, now: UnixMs) -> StoreResult<i64> {
        self.write_again(move |conn| {
            let standing = campaign::lock(conn, id)?.filter(|c| c.state.is_active() && c.is_over(now));
            let Some(standing) = standing else { return Ok(0) };
            let mut deltas = Deltas::default();
            let skipped = skip_untried(conn, id, standing, &mut deltas, limit, now)?;
            let expired = expire_tried(conn, id, standing, &mut deltas, limit - skipped, now)?;
            if skipped + expired > 0 {
                deltas.write(conn)?;
                log_event(conn, standing.workspace, id, SYSTEM_ACTOR, PASSED, now)?;
            }
            Ok(skipped + expired)
        })
        .await
    }
}

fn skip_untried(
    conn: &mut AnyConn,
    id: CampaignId,
    standing: Standing,
    deltas: &mut Deltas,
    limit: i64,
    now: UnixMs,
) -> StoreResult<i64> {
    let mut skipped = 0;
    for step in Step::MISS {
        let binds = binds(conn, id, step, SkipReason::Deadline.as_str(), limit - skipped, now)?;
        let providers: Vec<ProviderId> = on!(conn, |c| Fixed::<SkipUntried>::new(binds).load(c))?;
        for provider in providers {
            let owner = Owner { workspace: standing.workspace, campaign: id, provider, group: None };
            deltas.skip(owner, step.from(), SkipReason::Deadline);
            skipped += 1;
        }
    }
    Ok(skipped)
}

fn expire_tried(
    conn: &mut AnyConn,
    id: CampaignId,
    standing: Standing,
    deltas: &mut Deltas,
    limit: i64,
    now: UnixMs,
) -> StoreResult<i64> {
    let mut expired = 0;
    for step in Step::EXPIRE {
        let binds = binds(conn, id, step, BounceClass::Expired.as_str(), limit - expired, now)?;
        let rows: Vec<(i64, ProviderId, Option<ReplyGroupId>)> =
            on!(conn, |c| Fixed::<ExpireTried>::new(binds).load(c))?;
        for (row, provider, group) in rows {
            let owner = Owner { workspace: standing.workspace, campaign: id, provider, group };
            let group = match group {
                Some(group) => group,
                None => without_reply(conn, owner, row, now)?,
            };
            deltas.end(owner.within(group), step, None, Some(BounceClass::Expired.as_str()));
            expired += 1;
        }
    }
    Ok(expired)
}

/// A row whose attempt was in doubt has no refusal to be grouped by. There are no more of them than a crash leaves.
fn without_reply(conn: &mut AnyConn, owner: Owner, row: i64, now: UnixMs) -> StoreResult<ReplyGroupId> {
    let class = BounceClass::Expired.as_str();
    let group = Grouped { owner, key: NO_REPLY, class, code: None, enhanced: None, sample: NO_REPLY, n: 1 };
    let group = attempts::add_to_group(conn, &group, now)?;
    unsent::set_group(conn, row, Some(group))?;
    Ok(group)
}

fn binds(
    conn: &mut AnyConn,
    id: CampaignId,
    step: Step,
    reason: &str,
    limit: i64,
    now: UnixMs,
) -> StoreResult<[Bind; 9]> {
    let from = i64::from(step.from().code());
    let [first, last] = Span::of(conn, id)?.binds();
    Ok([
        Bind::Int(i64::from(step.to().code())),
        Bind::Text(reason.to_owned()),
        Bind::Int(now.0),
        Bind::Int(from),
        Bind::Int(id.0),
        first,
        last,
        Bind::Int(from),
        Bind::Int(limit.max(0)),
    ])
}

macro_rules! end_text {
    ($which:literal, $returning:literal) => {
        concat!(
            "UPDATE deliveries SET state = ?, reason = ?, next_at_ms = NULL, updated_at_ms = ? WHERE +state = ? AND id IN \
             (SELECT id FROM deliveries WHERE campaign_id = ? AND id BETWEEN ? AND ? AND state = ? AND state < 10 AND kind = 0 AND ",
            $which,
            " ORDER BY id LIMIT ?) RETURNING ",
            $returning
        )
    };
}

fixed_sql!(SkipUntried -> BigInt, end_text!("attempt = 0 AND reply_group_id IS NULL", "provider_id"));
fixed_sql!(ExpireTried -> (BigInt, BigInt, Nullable<BigInt>),
    end_text!("(attempt > 0 OR reply_group_id IS NOT NULL)", "id, provider_id, reply_group_id"));
