//! Many entries in one statement: pasted ones, and the slices of an import.

use std::collections::{BTreeMap, HashSet};

use diesel::prelude::*;
use serde_json::json;
use tidings_domain::{SuppressionKind, UnixMs, Word};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::stops::{MAX_PATTERNS, note};
use crate::suppression_scope::Scope;
use crate::suppressions::pattern_values;
use crate::text::storable;
use crate::{AnyConn, NewSuppression, StoreResult, WorkspaceId};

/// What many entries came to; the sum is their number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// New, or made stronger.
    pub added: i64,
    /// Named twice, or there already with a reason that is as strong.
    pub known: i64,
    /// Patterns beyond what one list may have.
    pub too_many: i64,
}

/// Writes entries, unless one that is as strong or stronger still counts. Of several for the same the strongest is written.
pub(crate) fn merge(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    entries: &[NewSuppression],
    now: UnixMs,
) -> StoreResult<Merged> {
    let given = entries.len();
    let mut each: BTreeMap<(SuppressionKind, &str, Scope), &NewSuppression> = BTreeMap::new();
    for entry in entries {
        let place = (entry.kind, entry.value.as_str(), entry.scope);
        let best = each.entry(place).or_insert(entry);
        if best.reason < entry.reason {
            *best = entry;
        }
    }
    let too_many = drop_patterns(conn, ws, &mut each)?;
    let distinct: HashSet<(SuppressionKind, Scope)> = each.values().map(|entry| (entry.kind, entry.scope)).collect();
    for (kind, scope) in distinct {
        note(conn, ws, kind, scope)?;
    }
    let rows: Vec<serde_json::Value> = each.values().map(|entry| row(entry, now)).collect();
    let binds = [Bind::Int(ws.0), Bind::Text(serde_json::Value::Array(rows).to_string()), Bind::Int(now.0)];
    let added = on!(conn, |c| Fixed::<Merge>::new(binds).execute(c))? as i64;
    Ok(Merged { added, known: given as i64 - added - too_many, too_many })
}

/// Takes out the patterns for which there is no room, and says how many.
fn drop_patterns(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    each: &mut BTreeMap<(SuppressionKind, &str, Scope), &NewSuppression>,
) -> StoreResult<i64> {
    if !each.keys().any(|(kind, _, _)| *kind == SuppressionKind::Pattern) {
        return Ok(0);
    }
    let known: Vec<String> = pattern_values(conn, ws)?;
    let mut room = MAX_PATTERNS - known.len() as i64;
    let known: HashSet<String> = known.into_iter().collect();
    let before = each.len();
    each.retain(|(kind, value, _), _| {
        if *kind != SuppressionKind::Pattern || known.contains(*value) {
            return true;
        }
        room -= 1;
        room >= 0
    });
    Ok((before - each.len()) as i64)
}

fn row(entry: &NewSuppression, now: UnixMs) -> serde_json::Value {
    json!({
        "kind": entry.kind.as_str(),
        "value": entry.value,
        "list_id": entry.scope.list_column(),
        "lane": entry.scope.lane_column(),
        "reason": entry.reason.as_str(),
        "source": storable(&entry.source),
        "evidence": storable(&entry.evidence),
        "created": entry.since_ms.unwrap_or(now.0),
        "expires": entry.expires_at_ms,
    })
}

/// The order of `SuppressionReason`.
macro_rules! strength {
    ($reason:literal) => {
        concat!(
            "CASE ",
            $reason,
            " WHEN 'on_hold' THEN 0 WHEN 'unsubscribe' THEN 1 WHEN 'hard_bounce' THEN 2 WHEN 'blocklist' THEN 3 ELSE 4 END"
        )
    };
}

macro_rules! merge_text {
    ($from:literal) => {
        concat!(
            "INSERT INTO suppressions (workspace_id, kind, value, list_id, lane, reason, source, evidence, created_at_ms, expires_at_ms) \
             SELECT CAST(? AS BIGINT), n.kind, n.value, n.list_id, n.lane, n.reason, n.source, n.evidence, n.created, n.expires FROM ",
            $from,
            " WHERE TRUE ON CONFLICT (workspace_id, kind, value, list_id, lane) DO UPDATE SET reason = excluded.reason, \
             source = excluded.source, evidence = excluded.evidence, created_at_ms = excluded.created_at_ms, \
             expires_at_ms = excluded.expires_at_ms, campaign_id = NULL, delivery_id = NULL \
             WHERE suppressions.expires_at_ms <= ? OR ",
            strength!("excluded.reason"),
            " > ",
            strength!("suppressions.reason")
        )
    };
}

fixed_sql!(Merge -> (),
    lite: merge_text!(
        "(SELECT value ->> 'kind' AS kind, value ->> 'value' AS value, value ->> 'list_id' AS list_id, value ->> 'lane' AS lane, \
          value ->> 'reason' AS reason, value ->> 'source' AS source, value ->> 'evidence' AS evidence, \
          value ->> 'created' AS created, value ->> 'expires' AS expires FROM json_each(?)) AS n"),
    pg: merge_text!(
        "jsonb_to_recordset(CAST(? AS jsonb)) AS n (kind text, value text, list_id bigint, lane smallint, reason text, source text, \
          evidence text, created bigint, expires bigint)"));

#[cfg(test)]
mod tests {
    use tidings_domain::SuppressionReason;

    use super::*;

    #[test]
    fn the_order_in_sql_is_the_order_of_the_words() {
        for (strength, reason) in SuppressionReason::ALL.iter().enumerate() {
            let last = strength + 1 == SuppressionReason::ALL.len();
            let named = format!("WHEN '{reason}' THEN {strength} ");
            assert!(last || strength!("r").contains(&named), "{named}");
        }
    }
}
