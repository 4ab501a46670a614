//! What stays of a delivery when retention has taken its row: who got it, so that the links in an old mail go on working. A few
//! octets for each recipient, packed by campaign.

use diesel::prelude::*;

use crate::schema::{kept_recipients, subscribers};
use crate::{AnyConn, CampaignId, DeliveryId, RevisionId, StoreResult, SubscriberId, WorkspaceId};

/// Packs that may overlap, because several campaigns were written at once, of which one is a delivery's.
const OVERLAPPING: i64 = 256;

/// A delivery whose row is gone.
pub(crate) struct Kept {
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub revision: RevisionId,
    pub subscriber: SubscriberId,
    /// The subscriber's present address.
    pub recipient: String,
}

/// Whose rows a pack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub workspace: WorkspaceId,
    pub campaign: CampaignId,
    pub revision: RevisionId,
}

/// Keeps these deliveries of one owner, in the order of their numbers.
pub(crate) fn keep(conn: &mut AnyConn, owner: Owner, pairs: &[(DeliveryId, SubscriberId)]) -> StoreResult<()> {
    let (Some((first, _)), Some((last, _))) = (pairs.first(), pairs.last()) else { return Ok(()) };
    diesel::insert_into(kept_recipients::table)
        .values((
            kept_recipients::first_delivery_id.eq(first.0),
            kept_recipients::last_delivery_id.eq(last.0),
            kept_recipients::workspace_id.eq(owner.workspace.0),
            kept_recipients::campaign_id.eq(owner.campaign.0),
            kept_recipients::revision_id.eq(owner.revision.0),
            kept_recipients::recipients.eq(pack(first.0, pairs)),
        ))
        .execute(conn)?;
    Ok(())
}

/// `None`: never sent, not kept, or to somebody who was deleted since.
pub(crate) fn find(conn: &mut AnyConn, delivery: DeliveryId) -> StoreResult<Option<Kept>> {
    type Row = (i64, i64, i64, i64, Vec<u8>);
    let rows: Vec<Row> = kept_recipients::table
        .filter(kept_recipients::first_delivery_id.le(delivery.0))
        .filter(kept_recipients::last_delivery_id.ge(delivery.0))
        .order(kept_recipients::first_delivery_id.desc())
        .limit(OVERLAPPING)
        .select((
            kept_recipients::first_delivery_id,
            kept_recipients::workspace_id,
            kept_recipients::campaign_id,
            kept_recipients::revision_id,
            kept_recipients::recipients,
        ))
        .load(conn)?;
    for (first, workspace, campaign, revision, packed) in rows {
        let Some(subscriber) = unpack(first, &packed, delivery.0) else { continue };
        let person = subscribers::table.find(subscriber).filter(subscribers::workspace_id.eq(workspace));
        let email: Option<String> = person.select(subscribers::email).first(conn).optional()?;
        return Ok(email.map(|recipient| Kept {
            workspace: WorkspaceId(workspace),
            campaign: CampaignId(campaign),
            revision: RevisionId(revision),
            subscriber: SubscriberId(subscriber),
            recipient,
        }));
    }
    Ok(None)
}

/// Two differences for each delivery, to the one before: its number's and its subscriber's.
fn pack(first: i64, pairs: &[(DeliveryId, SubscriberId)]) -> Vec<u8> {
    let (mut number, mut person) = (first, 0);
    let mut packed = Vec::with_capacity(pairs.len() * 3);
    for (delivery, subscriber) in pairs {
        put(&mut packed, delivery.0.wrapping_sub(number));
        put(&mut packed, subscriber.0.wrapping_sub(person));
        (number, person) = (delivery.0, subscriber.0);
    }
    packed
}

fn unpack(first: i64, packed: &[u8], wanted: i64) -> Option<i64> {
    let (mut number, mut person, mut rest) = (first, 0_i64, packed);
    loop {
        number = number.wrapping_add(take(&mut rest)?);
        person = person.wrapping_add(take(&mut rest)?);
        if number == wanted {
            return Some(person);
        }
    }
}

/// Seven bits in each octet, the sign in the lowest bit: small differences of both signs are short.
fn put(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn take(rest: &mut &[u8]) -> Option<i64> {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let (octet, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(octet & 0x7f).checked_shl(shift)?;
        if octet & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn every_pair_is_found_again_and_no_other() {
        let mut random = rand::rng();
        for _ in 0..200 {
            let first = random.random_range(1..i64::MAX / 2);
            let mut number = first;
            let pairs: Vec<_> = (0..random.random_range(1..200))
                .map(|at| {
                    number += if at == 0 { 0 } else { random.random_range(1..9) };
                    (DeliveryId(number), SubscriberId(random.random_range(1..i64::MAX)))
                })
                .collect();
            let packed = pack(first, &pairs);
            for (delivery, subscriber) in &pairs {
                assert_eq!(unpack(first, &packed, delivery.0), Some(subscriber.0));
            }
            assert_eq!(unpack(first, &packed, number + 1), None);
        }
    }

    #[test]
    fn neighbours_take_two_octets_each() {
        let pairs: Vec<_> = (0..1_000).map(|n| (DeliveryId((82 << 40) + n), SubscriberId(5_000_000 + n))).collect();
        assert!(pack(82 << 40, &pairs).len() < 2_010);
    }

    #[test]
    fn hostile_octets_end() {
        let mut random = rand::rng();
        for _ in 0..2_000 {
            let octets: Vec<u8> = (0..random.random_range(0..60)).map(|_| random.random()).collect();
            let _ = unpack(0, &octets, random.random());
        }
    }
}
