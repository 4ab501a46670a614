//! Statements whose text never changes, for what the query builder cannot say, and for what runs so often that its text
//! must not be parsed each time: these are prepared once for each connection and kept, while diesel prepares `sql_query`,
//! every `UPDATE` and every `ON CONFLICT` anew.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::AnyConn;

/// The text for each backend; every `?` is the place of the next bind. `Row` is the SQL type of what comes back.
///
/// A guard beside a set of ids is written `+state = ?`: with statistics from before a fan-out PostgreSQL takes every state
/// for rare, and would read a campaign's whole index of open rows instead of the rows by their key.
pub(crate) trait Sql: 'static {
    const LITE: &'static str;
    const PG: &'static str;
    type Row;
}

/// Names a statement: one text when both backends read it alike, else two.
macro_rules! fixed_sql {
    ($(#[$meta:meta])* $name:ident -> $row:ty, $both:expr) => {
        fixed_sql!($(#[$meta])* $name -> $row, lite: $both, pg: $both);
    };
    ($(#[$meta:meta])* $name:ident -> $row:ty, lite: $lite:expr, pg: $pg:expr) => {
        $(#[$meta])*
        struct $name;
        impl $crate::fixed::Sql for $name {
            const LITE: &'static str = $lite;
            const PG: &'static str = $pg;
            type Row = $row;
        }
    };
}
pub(crate) use fixed_sql;

/// One value of a statement.
#[derive(Clone)]
pub(crate) enum Bind {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(String),
    MaybeText(Option<String>),
    /// A set of ids: an array for PostgreSQL (`= ANY(?)`), JSON for SQLite (`IN (SELECT value FROM json_each(?))`).
    Ids {
        list: Vec<i64>,
        json: String,
    },
    /// A set of texts, in the same way.
    Texts {
        list: Vec<String>,
        json: String,
    },
    /// A column of many rows, for PostgreSQL's `unnest` alone.
    Ints(Vec<Option<i64>>),
    /// The same of texts.
    MaybeTexts(Vec<Option<String>>),
}

impl Bind {
    pub(crate) fn ids(ids: impl IntoIterator<Item = i64>) -> Self {
        let list: Vec<i64> = ids.into_iter().collect();
        let mut json = String::with_capacity(2 + 8 * list.len());
        json.push('[');
        for (i, id) in list.iter().enumerate() {
            if i > 0 {
                json.push(',');
            }
            json.push_str(&id.to_string());
        }
        json.push(']');
        Self::Ids { list, json }
    }

    /// One value of each of many rows, of [`Bind::Int`] or of [`Bind::Text`].
    fn column<'a>(values: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let int = |value: &Self| if let Self::Int(n) = value { Some(Some(*n)) } else { None };
        let text = |value: &Self| if let Self::Text(text) = value { Some(text.clone()) } else { None };
        match values.clone().map(int).collect() {
            Some(list) => Self::Ints(list),
            None => Self::MaybeTexts(values.map(text).collect()),
        }
    }

    pub(crate) fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        let list: Vec<String> = texts.into_iter().collect();
        let json = serde_json::Value::from_iter(list.iter().map(String::as_str)).to_string();
        Self::Texts { list, json }
    }
}

/// SQLite has no arrays, and no statement of ours that would need one.
const NO_COLUMN: Option<String> = None;

/// A statement with its values, ready to run on a concrete connection (inside `on!`).
pub(crate) struct Fixed<S> {
    binds: Vec<Bind>,
    sql: PhantomData<S>,
}

impl<S: Sql> Fixed<S> {
    pub(crate) fn new(binds: impl Into<Vec<Bind>>) -> Self {
        let binds = binds.into();
        debug_assert_eq!(binds.len(), S::LITE.matches('?').count(), "{}", S::LITE);
        debug_assert_eq!(binds.len(), S::PG.matches('?').count(), "{}", S::PG);
        Self { binds, sql: PhantomData }
    }
}

/// Writes rows of one statement: SQLite takes them one by one, PostgreSQL all at once, because each statement is a round trip and, where
/// many write the same rows, all others wait for it. `same` stands before each row; a row is of [`Bind::Int`] and [`Bind::Text`] only, the
/// same in each. PostgreSQL's text reads the columns by `unnest`.
pub(crate) fn write_rows<S: Sql<Row = ()>, const N: usize>(
    conn: &mut AnyConn,
    same: &[Bind],
    rows: Vec<[Bind; N]>,
) -> QueryResult<()> {
    match conn {
        AnyConn::Lite(c) => {
            rows.into_iter().try_for_each(|row| Fixed::<S>::new([same, &row].concat()).execute(c).map(drop))
        }
        AnyConn::Pg(_) if rows.is_empty() => Ok(()),
        AnyConn::Pg(c) => {
            let columns = (0..N).map(|at| Bind::column(rows.iter().map(|row| &row[at])));
            Fixed::<S>::new(same.iter().cloned().chain(columns).collect::<Vec<_>>()).execute(c).map(drop)
        }
    }
}

impl<S: 'static> QueryId for Fixed<S> {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Sql> Query for Fixed<S> {
    type SqlType = S::Row;
}

impl<S, C> RunQueryDsl<C> for Fixed<S> {}

impl<S: Sql> QueryFragment<Sqlite> for Fixed<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for (i, piece) in S::LITE.split('?').enumerate() {
            if i > 0 {
                match binds.next() {
                    Some(Bind::Int(n)) => out.push_bind_param::<BigInt, _>(n)?,
                    Some(Bind::MaybeInt(n)) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                    Some(Bind::MaybeText(text)) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                    Some(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                    Some(Bind::Ids { json, .. } | Bind::Texts { json, .. }) => out.push_bind_param::<Text, _>(json)?,
                    Some(Bind::Ints(_) | Bind::MaybeTexts(_)) => {
                        out.push_bind_param::<Nullable<Text>, _>(&NO_COLUMN)?
                    }
                    None => {}
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<S: Sql> QueryFragment<Pg> for Fixed<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for (i, piece) in S::PG.split('?').enumerate() {
            if i > 0 {
                match binds.next() {
                    Some(Bind::Int(n)) => out.push_bind_param::<BigInt, _>(n)?,
                    Some(Bind::MaybeInt(n)) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                    Some(Bind::MaybeText(text)) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                    Some(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                    Some(Bind::Ids { list, .. }) => out.push_bind_param::<Array<BigInt>, _>(list)?,
                    Some(Bind::Texts { list, .. }) => out.push_bind_param::<Array<Text>, _>(list)?,
                    Some(Bind::Ints(list)) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(list)?,
                    Some(Bind::MaybeTexts(list)) => out.push_bind_param::<Array<Nullable<Text>>, _>(list)?,
                    None => {}
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}
