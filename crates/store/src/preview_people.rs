//! Whose eyes a draft is looked at with.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use tidings_domain::EmailAddress;

use crate::schema::subscribers;
use crate::{StoreResult, SubscriberId, Workspace};

/// A subscriber with what merge tags can say of him.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = subscribers)]
pub struct PreviewPerson {
    pub id: SubscriberId,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    /// JSON object of text values
    pub attributes: String,
}

impl Workspace {
    /// The first subscribers whose address begins with the words, by address; without words, the newest.
    ///
    /// # Errors
    /// The database's own.
    pub async fn preview_people(&self, words: &str, limit: i64) -> StoreResult<Vec<PreviewPerson>> {
        let words = words.trim().to_lowercase();
        self.read(move |conn, ws| {
            if words.is_empty() {
                // The unary plus keeps SQLite from sorting the whole tenant by way of the index of addresses.
                let own = subscribers::table.filter(sql::<Bool>("+workspace_id = ").bind::<BigInt, _>(ws.0));
                let newest = own.order(subscribers::id.desc()).limit(limit);
                return Ok(newest.select(PreviewPerson::as_select()).load(conn)?);
            }
            let own = subscribers::table.filter(subscribers::workspace_id.eq(ws)).select(PreviewPerson::as_select());
            // From here on in the order of the unique index; what does not begin with the words is past the end.
            let from = own.filter(subscribers::email.ge(&words)).order(subscribers::email).limit(limit);
            let found: Vec<PreviewPerson> = from.load(conn)?;
            Ok(found.into_iter().filter(|person| person.email.starts_with(&words)).collect())
        })
        .await
    }

    /// # Errors
    /// [`crate::StoreError::NotFound`], and the database's own.
    pub async fn preview_person(&self, id: SubscriberId) -> StoreResult<PreviewPerson> {
        self.read(move |conn, ws| {
            let own = subscribers::table.filter(subscribers::workspace_id.eq(ws)).filter(subscribers::id.eq(id));
            Ok(own.select(PreviewPerson::as_select()).first(conn)?)
        })
        .await
    }

    /// The subscriber with exactly this address, in whatever form it is typed.
    ///
    /// # Errors
    /// The database's own.
    pub async fn preview_person_by_email(&self, email: &str) -> StoreResult<Option<PreviewPerson>> {
        let Ok(address) = EmailAddress::parse(email) else { return Ok(None) };
        self.read(move |conn, ws| {
            let own = subscribers::table
                .filter(subscribers::workspace_id.eq(ws))
                .filter(subscribers::email.eq(address.as_str()));
            Ok(own.select(PreviewPerson::as_select()).first(conn).optional()?)
        })
        .await
    }
}
