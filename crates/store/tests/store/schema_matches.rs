//! `schema.rs` is written by hand: this compares it, column by column, with what each backend's migrations make.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use tidings_store::{Store, StoreOptions};
use tidings_testing::TestDatabase;

const SCHEMA: &str = include_str!("../../src/schema.rs");

/// Table and column, to the type as diesel names it and whether it may be NULL.
type Columns = BTreeMap<(String, String), (String, bool)>;

#[tokio::test]
async fn the_declared_tables_are_the_real_ones() {
    let declared = declared();
    assert!(declared.len() > 150, "the file was read");
    for database in TestDatabase::each() {
        let store = Store::open(database.url(), StoreOptions::default()).await.expect("opens");
        let live = if store.is_embedded() { sqlite(&store).await } else { postgres(&store).await };
        for (column, kind) in &declared {
            assert_eq!(
                live.get(column),
                Some(kind),
                "{column:?} of schema.rs, live (embedded: {})",
                store.is_embedded()
            );
        }
        for column in live.keys() {
            assert!(
                declared.contains_key(column),
                "{column:?} is not in schema.rs (embedded: {})",
                store.is_embedded()
            );
        }
    }
}

fn declared() -> Columns {
    let mut columns = Columns::new();
    let mut table = String::new();
    for line in SCHEMA.lines() {
        if let Some((name, kind)) = line.trim().trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").and_then(|k| k.strip_suffix('>'));
            let value = (inner.unwrap_or(kind).to_owned(), inner.is_some());
            columns.insert((table.clone(), name.to_owned()), value);
        } else if let Some((name, _)) = line.trim().split_once(" (").filter(|(_, rest)| rest.ends_with(") {")) {
            table = name.to_owned();
        }
    }
    columns
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    t: String,
    #[diesel(sql_type = Text)]
    c: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

async fn load(store: &Store, query: &'static str) -> Columns {
    let rows: Vec<Column> = store.read(move |conn| Ok(diesel::sql_query(query).load(conn)?)).await.expect("reads");
    rows.into_iter().map(|r| ((r.t, r.c), (diesel_type(&r.kind).to_owned(), r.nullable))).collect()
}

async fn sqlite(store: &Store) -> Columns {
    load(
        store,
        "SELECT m.name AS t, p.name AS c, \
         CASE WHEN p.type = 'INTEGER' AND p.pk = 1 AND m.sql LIKE '%AUTOINCREMENT%' THEN 'bigint' ELSE lower(p.type) END AS kind, \
         p.\"notnull\" = 0 AS nullable \
         FROM sqlite_master m JOIN pragma_table_info(m.name) p \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '__diesel_schema_migrations'",
    )
    .await
}

async fn postgres(store: &Store) -> Columns {
    load(
        store,
        "SELECT CAST(table_name AS text) AS t, CAST(column_name AS text) AS c, CAST(data_type AS text) AS kind, \
         is_nullable = 'YES' AS nullable FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name <> '__diesel_schema_migrations' \
         AND NOT (SELECT relispartition FROM pg_class WHERE oid = to_regclass(quote_ident(table_name)))",
    )
    .await
}

fn diesel_type(live: &str) -> &str {
    match live {
        "bigint" => "BigInt",
        "integer" => "Integer",
        "smallint" => "SmallInt",
        "text" => "Text",
        "boolean" => "Bool",
        "bytea" | "blob" => "Binary",
        "double precision" | "double" => "Double",
        other => other,
    }
}
