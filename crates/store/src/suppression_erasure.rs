//! Erasing a person's address from the lists without forgetting that he must not be sent to.

use diesel::prelude::*;
use tidings_domain::{SuppressionKind, UnixMs, Word};

use crate::schema::suppression_events;
use crate::schema::suppressions::dsl;
use crate::stops::note;
use crate::suppression_events::{NewEvent, tell};
use crate::words::Db;
use crate::{AnyConn, StoreResult, Suppression, SuppressionKey, WorkspaceId};

/// What stands where an address stood.
const ERASED: &str = "[erased]";
/// A local part of fewer octets is a word that may mean something else.
const MIN_LOCAL_OCTETS: usize = 4;

/// The workspace's entries of the address become keyed hashes; evidence and history lose the address. What points to a ledger row
/// goes too, because the row names the recipient.
pub(crate) fn erase(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    key: SuppressionKey,
    email: &str,
    by: &str,
    now: UnixMs,
) -> StoreResult<()> {
    let hash = key.hash(email);
    let mine = dsl::suppressions
        .filter(dsl::workspace_id.eq(ws))
        .filter(dsl::kind.eq(Db(SuppressionKind::Address)))
        .filter(dsl::value.eq(email));
    let entries: Vec<Suppression> = mine.select(Suppression::as_select()).load(conn)?;
    for entry in entries {
        replace(conn, &entry, &hash, email)?;
        note(conn, ws, SuppressionKind::Hash, entry.scope())?;
        let event = NewEvent {
            who: by,
            action: "erased",
            kind: SuppressionKind::Hash.as_str(),
            value: &hash,
            scope: entry.scope().to_string(),
            reason: entry.reason.as_str(),
            note: "The subscriber was deleted; a keyed hash keeps him from being sent to.",
        };
        tell(conn, ws, &event, now)?;
    }
    forget_in_history(conn, ws, &hash, email)
}

fn replace(conn: &mut AnyConn, entry: &Suppression, hash: &str, email: &str) -> StoreResult<()> {
    let place = dsl::suppressions
        .filter(dsl::workspace_id.eq(entry.workspace_id))
        .filter(dsl::kind.eq(Db(SuppressionKind::Hash)))
        .filter(dsl::value.eq(hash))
        .filter(dsl::list_id.eq(entry.scope().list_column()))
        .filter(dsl::lane.eq(entry.scope().lane_column()));
    let known: Option<Suppression> = place.select(Suppression::as_select()).first(conn).optional()?;
    if let Some(known) = known {
        // He was erased before and came back: the stronger entry stays.
        let weaker = if known.reason >= entry.reason && known.expires_at_ms.is_none() { entry.id } else { known.id };
        diesel::delete(dsl::suppressions.find(weaker)).execute(conn)?;
        if weaker == entry.id {
            return Ok(());
        }
    }
    diesel::update(dsl::suppressions.find(entry.id))
        .set((
            dsl::kind.eq(Db(SuppressionKind::Hash)),
            dsl::value.eq(hash),
            dsl::source.eq(without(&entry.source, email)),
            dsl::evidence.eq(without(&entry.evidence, email)),
            dsl::delivery_id.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(())
}

fn forget_in_history(conn: &mut AnyConn, ws: WorkspaceId, hash: &str, email: &str) -> StoreResult<()> {
    use suppression_events::dsl as event;
    let mine = event::suppression_events.filter(event::workspace_id.eq(ws)).filter(event::value.eq(email));
    let notes: Vec<(i64, String)> = mine.select((event::id, event::note)).load(conn)?;
    for (id, note) in notes {
        diesel::update(event::suppression_events.find(id))
            .set((
                event::kind.eq(SuppressionKind::Hash.as_str()),
                event::value.eq(hash),
                event::note.eq(without(&note, email)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The text without the address in any case, without its form in bounce addresses (`ana=example.org`), and without the
/// local part where it stands as a word.
fn without(text: &str, email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let mut text = replaced(text, email, false);
    text = replaced(&text, &format!("{local}={domain}"), false);
    if local.len() >= MIN_LOCAL_OCTETS { replaced(&text, local, true) } else { text }
}

fn replaced(text: &str, wanted: &str, whole_words: bool) -> String {
    // ASCII only, so that the places of octets stay.
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in lower.match_indices(wanted) {
        let end = at + wanted.len();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        if whole_words && (inside(text[..at].chars().next_back()) || inside(text[end..].chars().next())) {
            continue;
        }
        clean.push_str(&text[done..at]);
        clean.push_str(ERASED);
        done = end;
    }
    clean.push_str(&text[done..]);
    clean
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn the_address_goes_and_the_rest_stays() {
        let check = |text: &str, expected: &str| assert_eq!(without(text, "ana.silva@example.org"), expected);
        check("550 5.1.1 <Ana.Silva@Example.org>: unknown", "550 5.1.1 <[erased]>: unknown");
        check("to bounce+ana.silva=example.org@us", "to bounce+[erased]@us");
        check("550 mailbox ana.silva is full, not joana.silva", "550 mailbox [erased] is full, not joana.silva");
        check("550 no such user", "550 no such user");
        assert_eq!(without("an@b.example is an error", "an@b.example"), "[erased] is an error");
    }
}
