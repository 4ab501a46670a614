//! What an operator changed in the table of providers.

use diesel::prelude::*;
use tidings_domain::{ProviderEntry, ReplyRule};

use crate::connection::on;
use crate::provider_changes::version;
use crate::schema::{provider_settings, recipient_domains};
use crate::{AnyConn, ProviderNote, ProviderSubject, Store, StoreError, StoreResult, reply_rules};

/// All that operators changed, of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderOverrides {
    /// See [`Store::provider_version`].
    pub version: i64,
    /// In the order of their names.
    pub entries: Vec<ProviderEntry>,
    /// In the order in which they are asked.
    pub rules: Vec<ReplyRule>,
}

impl Store {
    /// # Errors
    /// The database cannot be read, or holds what this version cannot read.
    pub async fn provider_overrides(&self) -> StoreResult<ProviderOverrides> {
        self.read(|conn| {
            // Read first: a change that comes in between is seen again with the next version.
            let version = version(conn)?;
            Ok(ProviderOverrides { version, entries: entries(conn)?, rules: reply_rules::all(conn)? })
        })
        .await
    }

    /// Sets what is different from the table for the entry's provider; a blank entry takes it all back. The caller has checked that the
    /// table is good with it.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn change_provider(&self, entry: ProviderEntry, note: ProviderNote) -> StoreResult<()> {
        self.write(move |conn| {
            let old = one(conn, &entry.name)?;
            let was = old.as_ref().map(json).transpose()?.unwrap_or_default();
            let becomes = if entry.is_blank() { String::new() } else { json(&entry)? };
            if was == becomes {
                return Ok(());
            }
            save(conn, &entry.name, &becomes)?;
            let old = old.unwrap_or_default();
            if old.mx != entry.mx || old.domains != entry.domains {
                // Whose mail hosts they are is looked up anew.
                diesel::update(recipient_domains::table).set(recipient_domains::expires_at_ms.eq(0)).execute(conn)?;
            }
            note.write(conn, &ProviderSubject::Settings(entry.name), &was, &becomes)
        })
        .await
    }
}

fn save(conn: &mut AnyConn, provider: &str, settings: &str) -> StoreResult<()> {
    if settings.is_empty() {
        diesel::delete(provider_settings::table.find(provider)).execute(conn)?;
        return Ok(());
    }
    on!(conn, |c| diesel::insert_into(provider_settings::table)
        .values((provider_settings::provider.eq(provider), provider_settings::settings.eq(settings)))
        .on_conflict(provider_settings::provider)
        .do_update()
        .set(provider_settings::settings.eq(settings))
        .execute(c))?;
    Ok(())
}

fn entries(conn: &mut AnyConn) -> StoreResult<Vec<ProviderEntry>> {
    let texts: Vec<String> =
        provider_settings::table.order(provider_settings::provider).select(provider_settings::settings).load(conn)?;
    texts.iter().map(|text| parse(text)).collect()
}

fn one(conn: &mut AnyConn, provider: &str) -> StoreResult<Option<ProviderEntry>> {
    let text: Option<String> =
        provider_settings::table.find(provider).select(provider_settings::settings).first(conn).optional()?;
    text.map(|text| parse(&text)).transpose()
}

fn parse(text: &str) -> StoreResult<ProviderEntry> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("the settings of a provider: {e}")))
}

fn json(entry: &ProviderEntry) -> StoreResult<String> {
    serde_json::to_string(entry).map_err(|e| StoreError::Corrupt(e.to_string()))
}
