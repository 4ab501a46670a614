//! The forecast of an audience: how many people a draft would reach, and why it is not more.
//!
//! It follows the same rules as fan-out, which freezes the real audience at launch: a person counts once, an excluded
//! list wins over an included one, and a suppressed address is never sent to.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text};
use tidings_domain::{Audience, Lane, UnixMs};

use crate::schema::{imports, list_counts, lists, subscribers, subscriptions, suppressions};
use crate::stops::{Hits, Stops};
use crate::{AnyConn, ListId, StoreResult, SubscriberId, Workspace, WorkspaceId};

/// How many of the newest subscribers are looked at for the names of their attributes.
const ATTRIBUTE_SAMPLE_ROWS: i64 = 500;
/// How many of the newest imports are looked at for the names of their columns.
const IMPORT_SAMPLE_ROWS: i64 = 50;

/// People whose address a forecast holds against patterns, hashes and scoped entries, at most: of more, every second, third, … is
/// asked and stands for the others.
const PEOPLE_ASKED: i64 = 100_000;
/// People of one look-up.
const PEOPLE_AT_ONCE: usize = 5_000;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Workspace {
    /// What the lists would come to now. Costs one probe for each subscription on all but the largest included list, on
    /// the excluded lists, and for each suppression; one included list alone costs nothing. Where there are patterns, hashes or
    /// scoped entries, it costs a look at every subscriber too, and their share of more than 100,000 people is an estimate.
    ///
    /// # Errors
    /// The database's own.
    pub async fn audience(&self, include: Vec<ListId>, exclude: Vec<ListId>, now: UnixMs) -> StoreResult<Audience> {
        let key = self.suppression_key();
        self.read_long(move |conn, ws| {
            let exclude = own_lists(conn, ws, &exclude)?;
            let mut include = own_lists(conn, ws, &include)?;
            include.retain(|list| !exclude.iter().any(|e| e.0 == list.0));
            if include.is_empty() {
                return Ok(Audience::default());
            }
            let mut audience = Audience {
                subscriptions: include.iter().map(|(_, n)| n).sum(),
                duplicates: duplicates(conn, &include)?,
                excluded: excluded(conn, &include, &exclude)?,
                suppressed: 0,
            };
            let stops = Stops::special(conn, ws, key, now)?;
            let asked = Asked { ws, include: &include, exclude: &exclude, now };
            audience.suppressed = asked.suppressed(conn, stops, audience.people())?;
            Ok(audience)
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

/// The lists of a draft, smallest first.
struct Asked<'a> {
    ws: WorkspaceId,
    include: &'a [SizedList],
    exclude: &'a [SizedList],
    now: UnixMs,
}

impl Asked<'_> {
    /// Whose address, or domain, is suppressed, whose mailbox is known not to work, and whom an entry of another kind or scope stops: each
    /// person once.
    fn suppressed(&self, conn: &mut AnyConn, stops: Option<Stops>, people: i64) -> StoreResult<i64> {
        let (ws, in_audience) = (self.ws, self.in_audience());
        let rule = |kind: &str| {
            format!(
                "p.workspace_id = {ws} AND p.kind = '{kind}' AND p.list_id = 0 AND p.lane = -1 \
                 AND (p.expires_at_ms IS NULL OR p.expires_at_ms > {})",
                self.now.0
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
        if let Some(stops) = stops {
            let plain = format!("s.status = 'active' AND {not_by_address} AND {not_by_domain} AND {in_audience}");
            n += self.special(conn, &stops, &plain, people)?;
        }
        Ok(n)
    }

    fn in_audience(&self) -> String {
        let included = subscribed_to(self.include, "s.id");
        match self.exclude {
            [] => included,
            exclude => format!("{included} AND NOT {}", subscribed_to(exclude, "s.id")),
        }
    }

    /// Of those who would get it as far as the plain entries go, how many another entry stops.
    fn special(&self, conn: &mut AnyConn, stops: &Stops, plain: &str, people: i64) -> StoreResult<i64> {
        let (ws, stride) = (self.ws, 1 + people / PEOPLE_ASKED);
        let named = match stops.needs_every_address() {
            true => "TRUE".to_owned(),
            false => format!(
                "EXISTS (SELECT 1 FROM suppressions x WHERE x.workspace_id IN (0, {ws}) \
                 AND ((x.kind = 'address' AND x.value = s.email) OR (x.kind = 'domain' AND x.value = s.domain)))"
            ),
        };
        let (mut after, mut stopped) = (0, 0);
        loop {
            let some: Vec<PersonRow> = sql_query(format!(
                "SELECT s.id, s.email FROM subscribers s WHERE s.workspace_id = {ws} AND s.id > {after} AND s.id % {stride} = 0 \
                 AND {named} AND {plain} ORDER BY s.id LIMIT {PEOPLE_AT_ONCE}"
            ))
            .load(conn)?;
            let Some(last) = some.last() else { return Ok(stopped * stride) };
            after = last.id;
            stopped += self.stopped(conn, stops, &some)?;
        }
    }

    fn stopped(&self, conn: &mut AnyConn, stops: &Stops, some: &[PersonRow]) -> StoreResult<i64> {
        let found = stops.among(conn, some.iter().map(|person| person.email.as_str()))?;
        let unsure = |hits: &Hits| hits.of_lane(Lane::Bulk).is_none() && hits.needs_lists();
        let asked: Vec<SubscriberId> =
            found.iter().filter(|(_, hits)| unsure(hits)).map(|(at, _)| SubscriberId(some[*at].id)).collect();
        let included: Vec<i64> = self.include.iter().map(|(list, _)| *list).collect();
        let pairs: Vec<(i64, ListId)> = subscriptions::table
            .filter(subscriptions::subscriber_id.eq_any(asked))
            .filter(subscriptions::list_id.eq_any(included))
            .filter(subscriptions::status.eq("subscribed"))
            .select((subscriptions::subscriber_id, subscriptions::list_id))
            .load(conn)?;
        let mut lists: HashMap<i64, Vec<ListId>> = HashMap::new();
        pairs.into_iter().for_each(|(person, list)| lists.entry(person).or_default().push(list));
        let stands = |at: usize, hits: &Hits| {
            let by = lists.get(&some[at].id).map_or(&[][..], Vec::as_slice);
            hits.of_campaign(Lane::Bulk, by).is_some()
        };
        Ok(found.iter().filter(|(at, hits)| stands(**at, hits)).count() as i64)
    }
}

#[derive(QueryableByName)]
struct PersonRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    email: String,
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
