use std::collections::BTreeMap;

use diesel::define_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::upsert::excluded;
use tidings_domain::{DeliveryState, UnixMs};

use super::commit::ReplyRecord;
use super::counts::Owner;
use super::outcomes::Ending;
use crate::connection::on;
use crate::schema::{attempts, reply_groups};
use crate::text::storable;
use crate::{AnyConn, CampaignId, ProviderId, ReplyGroupId, StoreResult};

define_sql_function!(fn coalesce(first: Nullable<BigInt>, then: Nullable<BigInt>) -> Nullable<BigInt>);

/// In place of a class, for an attempt that was accepted.
pub const ACCEPTED: &str = "accepted";
/// The longest normalised text that groups replies, in characters: an index of PostgreSQL takes 2,700 octets.
const MAX_KEY_CHARS: usize = 400;

/// Finds the group of each refusal, or makes it, and counts the refusals in.
pub(crate) fn join_groups(conn: &mut AnyConn, endings: &mut [Ending], now: UnixMs) -> StoreResult<()> {
    let mut groups: BTreeMap<GroupKey, Vec<usize>> = BTreeMap::new();
    for (at, ending) in endings.iter().enumerate() {
        if ending.fact.is_counted()
            && ending.step.to() != DeliveryState::Accepted
            && let Some(reply) = &ending.outcome.reply
        {
            let key = (ending.fact.campaign, ending.fact.provider, group_key(reply));
            groups.entry(key).or_default().push(at);
        }
    }
    for ((_, _, key), members) in groups {
        let Some(first) = members.first().map(|at| &endings[*at]) else { continue };
        let Some(reply) = &first.outcome.reply else { continue };
        let group = Grouped {
            owner: first.fact.owner(),
            key: &key,
            class: first.meaning(),
            code: reply.small_code(),
            enhanced: reply.enhanced.as_deref(),
            sample: &reply.text,
            n: i64::try_from(members.len()).unwrap_or(i64::MAX),
        };
        let id = add_to_group(conn, &group, now)?;
        members.into_iter().for_each(|at| endings[at].group = Some(id));
    }
    Ok(())
}

type GroupKey = (CampaignId, ProviderId, String);

/// Without a normalised text the reply stands for itself.
fn group_key(reply: &ReplyRecord) -> String {
    let text = if reply.key.is_empty() { &reply.text } else { &reply.key };
    storable(text).chars().take(MAX_KEY_CHARS).collect()
}

/// Writes the history of attempts.
pub(crate) fn record(conn: &mut AnyConn, endings: &[Ending]) -> StoreResult<()> {
    for ending in endings {
        let Some(facts) = &ending.outcome.facts else { continue };
        let reply = ending.outcome.reply.as_ref();
        let text = reply.map(|r| storable(&r.text).into_owned()).unwrap_or_default();
        let row = (
            attempts::delivery_id.eq(ending.fact.id),
            attempts::number.eq(ending.number()),
            attempts::workspace_id.eq(ending.fact.workspace),
            attempts::at_ms.eq(facts.at.0),
            attempts::duration_ms.eq(i64::try_from(facts.duration.as_millis()).unwrap_or(i64::MAX)),
            attempts::route_id.eq(ending.outcome.route),
            attempts::host.eq(&facts.host),
            attempts::ip.eq(&facts.ip),
            attempts::tls.eq(&facts.tls),
            attempts::phase.eq(&facts.phase),
            attempts::class.eq(ending.reason().unwrap_or(ACCEPTED)),
            attempts::reply_code.eq(reply.and_then(ReplyRecord::small_code)),
            attempts::enhanced.eq(reply.and_then(|r| r.enhanced.as_deref())),
            attempts::reply.eq(text),
        );
        // A peer that only slows us down costs no number: its latest words replace its earlier ones, which are counted.
        on!(conn, |c| diesel::insert_into(attempts::table)
            .values(row)
            .on_conflict((attempts::delivery_id, attempts::number))
            .do_update()
            .set((
                attempts::at_ms.eq(excluded(attempts::at_ms)),
                attempts::duration_ms.eq(excluded(attempts::duration_ms)),
                attempts::route_id.eq(excluded(attempts::route_id)),
                attempts::host.eq(excluded(attempts::host)),
                attempts::ip.eq(excluded(attempts::ip)),
                attempts::tls.eq(excluded(attempts::tls)),
                attempts::phase.eq(excluded(attempts::phase)),
                attempts::class.eq(excluded(attempts::class)),
                attempts::reply_code.eq(excluded(attempts::reply_code)),
                attempts::enhanced.eq(excluded(attempts::enhanced)),
                attempts::reply.eq(excluded(attempts::reply)),
                attempts::first_at_ms.eq(coalesce(attempts::first_at_ms, attempts::at_ms.nullable())),
                attempts::times.eq(attempts::times + 1),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// Refusals that are alike.
pub(super) struct Grouped<'a> {
    pub owner: Owner,
    /// The normalised text.
    pub key: &'a str,
    pub class: &'a str,
    pub code: Option<i16>,
    pub enhanced: Option<&'a str>,
    pub sample: &'a str,
    pub n: i64,
}

/// Its number. What one text means is told by the first that said it.
pub(super) fn add_to_group(conn: &mut AnyConn, group: &Grouped<'_>, now: UnixMs) -> StoreResult<ReplyGroupId> {
    let sample = storable(group.sample);
    let key: String = storable(group.key).chars().take(MAX_KEY_CHARS).collect();
    let row = (
        reply_groups::campaign_id.eq(group.owner.campaign),
        reply_groups::provider_id.eq(group.owner.provider),
        reply_groups::text_key.eq(key),
        reply_groups::workspace_id.eq(group.owner.workspace),
        reply_groups::class.eq(group.class),
        reply_groups::reply_code.eq(group.code),
        reply_groups::enhanced.eq(group.enhanced),
        reply_groups::sample.eq(sample.as_ref()),
        reply_groups::n.eq(group.n),
        reply_groups::first_at_ms.eq(now.0),
        reply_groups::last_at_ms.eq(now.0),
    );
    Ok(on!(conn, |c| diesel::insert_into(reply_groups::table)
        .values(row)
        .on_conflict((reply_groups::campaign_id, reply_groups::provider_id, reply_groups::text_key))
        .do_update()
        .set((
            reply_groups::n.eq(reply_groups::n + excluded(reply_groups::n)),
            reply_groups::last_at_ms.eq(excluded(reply_groups::last_at_ms)),
        ))
        .returning(reply_groups::id)
        .get_result(c))?)
}
