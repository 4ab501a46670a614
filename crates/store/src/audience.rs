//! The forecast of an audience: how many people a draft would reach, and why it is not more.
//!
//! It follows the same rules as fan-out, which freezes the real audience at launch: a person counts once, an excluded
//! list wins over an included one, and a suppressed address is never sent to.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::{Audience, UnixMs};

use crate::schema::{imports, list_counts, lists, subscribers, suppressions};
use crate::{AnyConn, ListId, StoreResult, Workspace, WorkspaceId};

/// How many of the newest subscribers are looked at for the names of their attributes.
const ATTRIBUTE_SAMPLE_ROWS: i64 = 500;
/// How many of the newest imports are looked at for the names of their columns.
const IMPORT_SAMPLE_ROWS: i64 = 50;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Workspace {
    /// What the lists would come to now. Costs one probe for each subscription on all but the largest included list, on
    /// the excluded lists, and for each suppression; one included list alone costs nothing.
    ///
    /// # Errors
    /// The database's own.
    pub async fn audience(&self, include: Vec<ListId>, exclude: Vec<ListId>, now: UnixMs) -> StoreResult<Audience> {
        self.read(move |conn, ws| {
            let exclude = own_lists(conn, ws, &exclude)?;
            let mut include = own_lists(conn, ws, &include)?;
            include.retain(|list| !exclude.iter().any(|e| e.0 == list.0));
            if include.is_empty() {
                return Ok(Audience::default());
            }
            Ok(Audience {
                subscriptions: include.iter().map(|(_, n)| n).sum(),
                duplicates: duplicates(conn, &include)?,
                excluded: excluded(conn, &include, &exclude)?,
                suppressed: suppressed(conn, ws, &include, &exclude, now)?,
            })
        })
        .await
    }

    /// The names of the attributes that subscribers have: the merge tags beside the built-in ones, in order.
    ///
    /// # Errors
    /// The database's own.
    pub async fn attribute_names(&self) -> StoreResult<Vec<String>> {
        self.read(|conn, ws| {
            let samples: Vec<String> = subscribers::table
                // The unary plus keeps SQLite from sorting the whole tenant by way of the index of addresses.
                .filter(sql::<Bool>("+workspace_id = ").bind::<BigInt, _>(ws.0))
                .order(subscribers::id.desc())
                .limit(ATTRIBUTE_SAMPLE_ROWS)
                .select(subscribers::attributes)
                .load(conn)?;
            let mappings: Vec<String> = imports::table
                .filter(imports::workspace_id.eq(ws.0))
                .order(imports::id.desc())
                .limit(IMPORT_SAMPLE_ROWS)
                .select(imports::mapping)
                .load(conn)?;
            Ok(names(&samples, &mappings))
        })
        .await
    }
}

/// The attribute names in JSON objects of subscribers and in the mappings of imports (`"field": "attribute:NAME"`).
fn names(samples: &[String], mappings: &[String]) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    for sample in samples {
        if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(sample) {
            found.extend(object.into_iter().map(|(name, _)| name));
        }
    }
    for mapping in mappings {
        let Ok(serde_json::Value::Array(columns)) = serde_json::from_str(mapping) else { continue };
        let fields = columns.iter().filter_map(|c| c["field"].as_str()?.strip_prefix("attribute:"));
        found.extend(fields.map(str::to_owned));
    }
    found.into_iter().collect()
}

type SizedList = (i64, i64);

/// This tenant's lists among the given ones, each with its active subscriptions, smallest first.
fn own_lists(conn: &mut AnyConn, ws: WorkspaceId, ids: &[ListId]) -> StoreResult<Vec<SizedList>> {
    let ids: Vec<i64> = ids.iter().map(|l| l.0).collect();
    let rows: Vec<(i64, Option<i64>)> = lists::table
        .left_join(list_counts::table.on(list_counts::list_id.eq(lists::id).and(list_counts::status.eq("subscribed"))))
        .filter(lists::workspace_id.eq(ws.0))
        .filter(lists::id.eq_any(ids))
        .select((lists::id, list_counts::n.nullable()))
        .load(conn)?;
    let mut sized: Vec<SizedList> = rows.into_iter().map(|(id, n)| (id, n.unwrap_or(0))).collect();
    sized.sort_by_key(|(_, n)| *n);
    Ok(sized)
}

/// `(1, 2, 3)`; only ever numbers, so that no text of a person comes into a statement.
fn ids(lists: &[SizedList]) -> String {
    let ids: Vec<String> = lists.iter().map(|(id, _)| id.to_string()).collect();
    format!("({})", ids.join(", "))
}

/// "is subscribed to one of these lists", for the subscriber that `who` names.
fn subscribed_to(lists: &[SizedList], who: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM subscriptions o WHERE o.list_id IN {} AND o.subscriber_id = {who} \
         AND o.status = 'subscribed')",
        ids(lists)
    )
}

fn count(conn: &mut AnyConn, query: String) -> StoreResult<i64> {
    Ok(sql_query(query).get_result::<Count>(conn)?.n)
}

/// Subscriptions of people who also stand on a later (larger) list: exactly those beyond the first of each person.
fn duplicates(conn: &mut AnyConn, include: &[SizedList]) -> StoreResult<i64> {
    let mut n = 0;
    for (i, (list, _)) in include.iter().enumerate() {
        let larger = &include[i + 1..];
        if !larger.is_empty() {
            n += count(
                conn,
                format!(
                    "SELECT COUNT(*) AS n FROM subscriptions s WHERE s.list_id = {list} AND s.status = 'subscribed' AND {}",
                    subscribed_to(larger, "s.subscriber_id")
                ),
            )?;
        }
    }
    Ok(n)
}

fn excluded(conn: &mut AnyConn, include: &[SizedList], exclude: &[SizedList]) -> StoreResult<i64> {
    if exclude.is_empty() {
        return Ok(0);
    }
    count(
        conn,
        format!(
            "SELECT COUNT(DISTINCT x.subscriber_id) AS n FROM subscriptions x WHERE x.list_id IN {} \
             AND x.status = 'subscribed' AND {}",
            ids(exclude),
            subscribed_to(include, "x.subscriber_id")
        ),
    )
}

/// Whose address, or domain, is suppressed, and whose mailbox is known not to work: each person once.
fn suppressed(
    conn: &mut AnyConn,
    ws: WorkspaceId,
    include: &[SizedList],
    exclude: &[SizedList],
    now: UnixMs,
) -> StoreResult<i64> {
    let mut in_audience = subscribed_to(include, "s.id");
    if !exclude.is_empty() {
        in_audience = format!("{in_audience} AND NOT {}", subscribed_to(exclude, "s.id"));
    }
    let rule = |kind: &str| {
        format!(
            "p.workspace_id = {ws} AND p.kind = '{kind}' AND (p.expires_at_ms IS NULL OR p.expires_at_ms > {})",
            now.0
        )
    };
    let (address, domain) = (rule("address"), rule("domain"));
    let not_by_address = format!("NOT EXISTS (SELECT 1 FROM suppressions p WHERE {address} AND p.value = s.email)");
    let mut n = count(
        conn,
        format!(
            "SELECT COUNT(*) AS n FROM suppressions p JOIN subscribers s ON s.workspace_id = {ws} AND s.email = p.value \
             WHERE {address} AND {in_audience}"
        ),
    )?;
    let mut not_by_domain = "TRUE".to_owned();
    if has_domain_rules(conn, ws)? {
        n += count(
            conn,
            format!(
                "SELECT COUNT(*) AS n FROM subscribers s JOIN suppressions p ON p.value = s.domain \
                 WHERE s.workspace_id = {ws} AND {domain} AND {not_by_address} AND {in_audience}"
            ),
        )?;
        not_by_domain = format!("NOT EXISTS (SELECT 1 FROM suppressions p WHERE {domain} AND p.value = s.domain)");
    }
    n += count(
        conn,
        format!(
            "SELECT COUNT(*) AS n FROM subscribers s WHERE s.workspace_id = {ws} AND s.status <> 'active' \
             AND {not_by_address} AND {not_by_domain} AND {in_audience}"
        ),
    )?;
    Ok(n)
}

/// Domain rules cost a walk over the subscribers; most workspaces have none.
fn has_domain_rules(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<bool> {
    let any: Option<String> = suppressions::table
        .filter(suppressions::workspace_id.eq(ws.0))
        .filter(suppressions::kind.eq("domain"))
        .select(suppressions::value)
        .first::<String>(conn)
        .optional()?;
    Ok(any.is_some())
}
