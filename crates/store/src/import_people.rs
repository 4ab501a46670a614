//! The set-based statements under an import, in the two dialects.
//!
//! SQLite takes batches of one fixed size, so that the statement is prepared once, and new rows are those with an id above
//! the highest before: there is one writer. PostgreSQL takes a slice by COPY into a table of the session, and says itself what was new.

use std::array::from_fn;
use std::borrow::Cow;
use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tidings_domain::{SubscriptionStatus, UnixMs};

use crate::import_slices::count;
use crate::schema::{subscribers, subscriptions};
use crate::words::Db;
use crate::{AnyConn, ImportId, ImportRow, ImportSlice, StoreResult, SubscriberId};

/// Rows of one INSERT into SQLite, nine binds each: more win nothing.
const LITE_BATCH_ROWS: usize = 64;
/// Addresses of one IN list.
const LOOKUP_AT_ONCE: usize = 5_000;

/// One address of a slice with its merged values.
pub(crate) struct Person<'a> {
    pub email: &'a str,
    pub domain: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    pub attributes: Cow<'a, str>,
    /// In the file's order; never empty.
    pub rows: &'a [ImportRow<'a>],
}

/// The people who were new.
pub(crate) struct Made {
    pub count: i64,
    news: News,
}

/// How to tell them from those who were there.
enum News {
    /// SQLite: the highest id before.
    Above(SubscriberId),
    /// PostgreSQL: their addresses.
    Named(HashSet<String>),
}

/// Somebody of the slice who was there before it.
pub(crate) struct Known {
    /// Index into the slice's people.
    pub person: usize,
    pub id: SubscriberId,
    /// An earlier row of this import wrote it.
    pub seen: bool,
    pub status: Option<SubscriptionStatus>,
}

/// Adds who is not there yet, with a subscription to the list.
pub(crate) fn insert_new(
    conn: &mut AnyConn,
    slice: &ImportSlice,
    people: &[Person<'_>],
    now: UnixMs,
) -> StoreResult<Made> {
    match conn {
        AnyConn::Lite(c) => insert_lite(c, slice, people, now),
        AnyConn::Pg(c) => insert_pg(c, slice, people, now),
    }
}

fn insert_lite<'a>(
    c: &mut SqliteConnection,
    slice: &'a ImportSlice,
    people: &'a [Person<'a>],
    now: UnixMs,
) -> StoreResult<Made> {
    use diesel::dsl::{insert_into, max};
    use subscribers::dsl;
    let top: Option<SubscriberId> = dsl::subscribers.select(max(dsl::id)).first(c)?;
    let top = top.unwrap_or(SubscriberId(0));
    let row = |p: &'a Person<'a>| {
        (
            dsl::workspace_id.eq(slice.workspace),
            dsl::email.eq(p.email),
            dsl::domain.eq(p.domain),
            dsl::first_name.eq(p.first_name),
            dsl::last_name.eq(p.last_name),
            dsl::attributes.eq(&*p.attributes),
            dsl::import_id.eq(slice.import.0),
            dsl::created_at_ms.eq(now.0),
            dsl::updated_at_ms.eq(now.0),
        )
    };
    let mut made = 0;
    let batches = people.chunks_exact(LITE_BATCH_ROWS);
    for person in batches.remainder() {
        made += insert_into(dsl::subscribers).values(row(person)).on_conflict_do_nothing().execute(c)?;
    }
    for batch in batches {
        let rows: [_; LITE_BATCH_ROWS] = from_fn(|i| row(&batch[i]));
        made += insert_into(dsl::subscribers).values(rows).on_conflict_do_nothing().execute(c)?;
    }
    diesel::sql_query(
        "INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, source, created_at_ms, updated_at_ms) \
         SELECT ?, id, workspace_id, 'subscribed', ?, created_at_ms, created_at_ms FROM subscribers WHERE id > ?",
    )
    .bind::<BigInt, _>(slice.list.0)
    .bind::<Text, _>(&slice.consent_source)
    .bind::<BigInt, _>(top.0)
    .execute(c)?;
    Ok(Made { count: count(made), news: News::Above(top) })
}

#[derive(QueryableByName)]
struct Email {
    #[diesel(sql_type = Text)]
    email: String,
}

/// Address, id, the import that made it, and its place on the list.
type KnownRow = (String, SubscriberId, Option<i64>, Option<Db<SubscriptionStatus>>);

/// Where the people of a slice lie until the statement that adds them has run. The session keeps the table, and it is empty when a
/// transaction begins.
const STAGE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS import_stage ( \
                       email TEXT NOT NULL, domain TEXT NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL, attributes TEXT NOT NULL \
                     ) ON COMMIT DELETE ROWS";

diesel::table! {
    import_stage (email) {
        email -> Text,
        domain -> Text,
        first_name -> Text,
        last_name -> Text,
        attributes -> Text,
    }
}

fn insert_pg(c: &mut PgConnection, slice: &ImportSlice, people: &[Person<'_>], now: UnixMs) -> StoreResult<Made> {
    stage(c, people)?;
    let made: Vec<Email> = diesel::sql_query(
        "WITH made AS ( \
           INSERT INTO subscribers (workspace_id, email, domain, first_name, last_name, attributes, import_id, created_at_ms, updated_at_ms) \
           SELECT $1, n.email, n.domain, n.first_name, n.last_name, n.attributes, $2, $3, $3 FROM import_stage AS n \
           ON CONFLICT (workspace_id, email) DO NOTHING RETURNING id, email), \
         joined AS ( \
           INSERT INTO subscriptions (list_id, subscriber_id, workspace_id, status, source, created_at_ms, updated_at_ms) \
           SELECT $4, id, $1, 'subscribed', $5, $3, $3 FROM made) \
         SELECT email FROM made",
    )
    .bind::<BigInt, _>(slice.workspace.0)
    .bind::<BigInt, _>(slice.import.0)
    .bind::<BigInt, _>(now.0)
    .bind::<BigInt, _>(slice.list.0)
    .bind::<Text, _>(&slice.consent_source)
    .get_results(c)?;
    let made: HashSet<String> = made.into_iter().map(|m| m.email).collect();
    Ok(Made { count: count(made.len()), news: News::Named(made) })
}

fn stage(c: &mut PgConnection, people: &[Person<'_>]) -> StoreResult<()> {
    c.batch_execute(STAGE)?;
    let rows: Vec<_> = people
        .iter()
        .map(|p| {
            (
                import_stage::email.eq(p.email),
                import_stage::domain.eq(p.domain),
                import_stage::first_name.eq(p.first_name),
                import_stage::last_name.eq(p.last_name),
                import_stage::attributes.eq(&*p.attributes),
            )
        })
        .collect();
    diesel::copy_from(import_stage::table).from_insertable(rows).execute(c)?;
    Ok(())
}

/// Those of the people who were there before this slice, in the order of the people.
pub(crate) fn known(
    conn: &mut AnyConn,
    slice: &ImportSlice,
    people: &[Person<'_>],
    made: &Made,
) -> StoreResult<Vec<Known>> {
    let (below, new) = match &made.news {
        News::Above(top) => (*top, None),
        News::Named(emails) => (SubscriberId(i64::MAX), Some(emails)),
    };
    let asked: Vec<&str> = people.iter().map(|p| p.email).filter(|e| new.is_none_or(|n| !n.contains(*e))).collect();
    let mut met = Vec::new();
    for some in asked.chunks(LOOKUP_AT_ONCE) {
        let subscription = subscriptions::subscriber_id.eq(subscribers::id).and(subscriptions::list_id.eq(slice.list));
        let rows: Vec<KnownRow> = subscribers::table
            .left_join(subscriptions::table.on(subscription))
            .filter(subscribers::workspace_id.eq(slice.workspace))
            .filter(subscribers::email.eq_any(some))
            .filter(subscribers::id.le(below))
            .select((subscribers::email, subscribers::id, subscribers::import_id, subscriptions::status.nullable()))
            .load(conn)?;
        met.extend(rows.into_iter().filter_map(|(email, id, import, status)| {
            let person = people.binary_search_by(|p| p.email.cmp(&email)).ok()?;
            let seen = import.map(ImportId) == Some(slice.import);
            Some(Known { person, id, seen, status: status.map(|s| s.0) })
        }));
    }
    Ok(met)
}

/// Gives the known their new values; an empty cell changes nothing, and attributes merge. Marks them as seen.
pub(crate) fn update_known(
    conn: &mut AnyConn,
    slice: &ImportSlice,
    people: &[Person<'_>],
    known: &[Known],
    now: UnixMs,
) -> StoreResult<()> {
    let values: Vec<_> = known
        .iter()
        .map(|k| {
            let p = &people[k.person];
            serde_json::json!({ "id": k.id.0, "first": p.first_name, "last": p.last_name, "attributes": p.attributes })
        })
        .collect();
    let values = serde_json::Value::Array(values).to_string();
    let set = "SET first_name = CASE WHEN n.first <> '' THEN n.first ELSE subscribers.first_name END, \
               last_name = CASE WHEN n.last <> '' THEN n.last ELSE subscribers.last_name END,";
    match conn {
        AnyConn::Lite(c) => diesel::sql_query(format!(
            "UPDATE subscribers {set} attributes = json_patch(subscribers.attributes, n.attributes), import_id = ?, updated_at_ms = ? \
             FROM (SELECT value ->> 'id' AS id, value ->> 'first' AS first, value ->> 'last' AS last, \
                   value ->> 'attributes' AS attributes FROM json_each(?)) AS n WHERE subscribers.id = n.id"
        ))
        .bind::<BigInt, _>(slice.import.0)
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(values)
        .execute(c)?,
        AnyConn::Pg(c) => diesel::sql_query(format!(
            "UPDATE subscribers {set} attributes = (subscribers.attributes::jsonb || n.attributes::jsonb)::text, import_id = $1, updated_at_ms = $2 \
             FROM jsonb_to_recordset($3::jsonb) AS n (id bigint, first text, last text, attributes text) \
             WHERE subscribers.id = n.id"
        ))
        .bind::<BigInt, _>(slice.import.0)
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(values)
        .execute(c)?,
    };
    Ok(())
}

/// Subscribes the known who have no subscription to the list. Returns how many.
pub(crate) fn subscribe_known(
    conn: &mut AnyConn,
    slice: &ImportSlice,
    known: &[Known],
    now: UnixMs,
) -> StoreResult<i64> {
    let new: Vec<i64> = known.iter().filter(|k| k.status.is_none()).map(|k| k.id.0).collect();
    let mut made = 0;
    for some in new.chunks(LOOKUP_AT_ONCE) {
        let rows = subscribers::table.filter(subscribers::id.eq_any(some)).select((
            slice.list.0.into_sql::<BigInt>(),
            subscribers::id,
            subscribers::workspace_id,
            "subscribed".into_sql::<Text>(),
            slice.consent_source.as_str().into_sql::<Text>(),
            now.0.into_sql::<BigInt>(),
            now.0.into_sql::<BigInt>(),
        ));
        made += diesel::insert_into(subscriptions::table)
            .values(rows)
            .into_columns((
                subscriptions::list_id,
                subscriptions::subscriber_id,
                subscriptions::workspace_id,
                subscriptions::status,
                subscriptions::source,
                subscriptions::created_at_ms,
                subscriptions::updated_at_ms,
            ))
            .execute(conn)?;
    }
    Ok(count(made))
}
