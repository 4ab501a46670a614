//! An operator's own rules for replies, in the order in which they are asked.

use diesel::prelude::*;
use tidings_domain::ReplyRule;

use crate::schema::reply_rules::dsl;
use crate::text::storable;
use crate::{AnyConn, ProviderNote, ProviderSubject, Store, StoreError, StoreResult};

/// What became of the wish to add one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedRule {
    Yes,
    NameTaken,
}

impl Store {
    /// Adds a rule behind the others. The caller has checked that it can fire, and that there are not too many.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn add_reply_rule(&self, rule: ReplyRule, note: ProviderNote) -> StoreResult<AddedRule> {
        let added = self
            .write(move |conn| {
                let text = serde_json::to_string(&rule).map_err(|e| StoreError::Corrupt(e.to_string()))?;
                let row = (
                    dsl::name.eq(&rule.name),
                    dsl::rule.eq(&text),
                    dsl::created_by.eq(storable(&note.by)),
                    dsl::created_at_ms.eq(note.now.0),
                );
                diesel::insert_into(dsl::reply_rules).values(row).execute(conn)?;
                note.write(conn, &ProviderSubject::Rule(rule.name), "", &text)
            })
            .await;
        match added {
            Ok(()) => Ok(AddedRule::Yes),
            Err(StoreError::Exists(_)) => Ok(AddedRule::NameTaken),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// [`StoreError::NotFound`] when there is no such rule.
    pub async fn remove_reply_rule(&self, name: &str, note: ProviderNote) -> StoreResult<()> {
        let name = name.to_owned();
        self.write(move |conn| {
            let own = dsl::reply_rules.filter(dsl::name.eq(&name));
            let was: String = own.select(dsl::rule).first(conn)?;
            diesel::delete(own).execute(conn)?;
            note.write(conn, &ProviderSubject::Rule(name.clone()), &was, "")
        })
        .await
    }
}

pub(crate) fn all(conn: &mut AnyConn) -> StoreResult<Vec<ReplyRule>> {
    let texts: Vec<String> = dsl::reply_rules.order(dsl::id).select(dsl::rule).load(conn)?;
    let read =
        |text: &String| serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("a rule for replies: {e}")));
    texts.iter().map(read).collect()
}
