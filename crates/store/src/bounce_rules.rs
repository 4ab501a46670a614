//! What a workspace lets follow from bounces: the rules that differ from the built-in ones, its limits, and its words for unknown texts.

use std::collections::BTreeMap;

use diesel::prelude::*;
use tidings_domain::{BounceAction, BounceClass, BounceLimits, BounceRules, UnixMs, Word};

use crate::bounce_changes::Note;
use crate::connection::on;
use crate::schema::{bounce_actions, bounce_labels, bounce_limits};
use crate::words::Db;
use crate::{AnyConn, BounceLimit, BounceSubject, StoreResult, Workspace, WorkspaceId};

/// Who chose what, for the page of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenAction {
    pub class: BounceClass,
    pub action: BounceAction,
    pub by: String,
    pub at: UnixMs,
}

/// A person's word on texts that no rule knows.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = bounce_labels)]
pub struct BounceLabel {
    pub text_key: String,
    #[diesel(deserialize_as = Db<BounceClass>)]
    pub class: BounceClass,
    pub labelled_by: String,
    pub labelled_at_ms: i64,
}

impl Workspace {
    /// The rules in force.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bounce_rules(&self) -> StoreResult<BounceRules> {
        self.read(rules).await
    }

    /// What was chosen, with who and when.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn chosen_bounce_actions(&self) -> StoreResult<Vec<ChosenAction>> {
        type Row = (Db<BounceClass>, Db<BounceAction>, String, i64);
        self.read(|conn, ws| {
            let rows: Vec<Row> = bounce_actions::table
                .filter(bounce_actions::workspace_id.eq(ws.0))
                .select((
                    bounce_actions::class,
                    bounce_actions::action,
                    bounce_actions::changed_by,
                    bounce_actions::changed_at_ms,
                ))
                .load(conn)?;
            let chosen =
                |(class, action, by, at): Row| ChosenAction { class: class.0, action: action.0, by, at: UnixMs(at) };
            Ok(rows.into_iter().map(chosen).collect())
        })
        .await
    }

    /// Chooses what follows from a class; the built-in action again takes the choice back. Returns `false`, and changes nothing, for
    /// a class that no workspace may choose for.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn choose_bounce_action(
        &self,
        class: BounceClass,
        action: BounceAction,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<bool> {
        if !class.is_editable() {
            return Ok(false);
        }
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let was = rules(conn, ws)?.action(class);
            if was == action {
                return Ok(true);
            }
            let note = Note { ws, by: &by, now };
            note.write(conn, BounceSubject::Action(class), was.as_str(), action.as_str())?;
            let row = bounce_actions::table.find((ws.0, class.as_str()));
            if action == class.default_action() {
                diesel::delete(row).execute(conn)?;
                return Ok(true);
            }
            let place = (bounce_actions::workspace_id.eq(ws.0), bounce_actions::class.eq(class.as_str()));
            let chosen = (
                bounce_actions::action.eq(Db(action)),
                bounce_actions::changed_by.eq(&by),
                bounce_actions::changed_at_ms.eq(now.0),
            );
            on!(conn, |c| diesel::insert_into(bounce_actions::table)
                .values((place, chosen))
                .on_conflict((bounce_actions::workspace_id, bounce_actions::class))
                .do_update()
                .set(chosen)
                .execute(c))?;
            Ok(true)
        })
        .await
    }

    /// Sets the limits of counted bounces and of campaigns.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn set_bounce_limits(&self, limits: BounceLimits, by: &str, now: UnixMs) -> StoreResult<()> {
        let by = by.to_owned();
        self.write(move |conn, ws| {
            let was = rules(conn, ws)?.limits;
            let note = Note { ws, by: &by, now };
            for limit in BounceLimit::ALL.iter().filter(|limit| limit.of(&was) != limit.of(&limits)) {
                let (before, after) = (limit.of(&was).to_string(), limit.of(&limits).to_string());
                note.write(conn, BounceSubject::Limit(*limit), &before, &after)?;
            }
            let values = (
                bounce_limits::second_within_days.eq(i32::from(limits.second_within_days)),
                bounce_limits::hold_after.eq(i32::from(limits.hold_after)),
                bounce_limits::hold_over_days.eq(i32::from(limits.hold_over_days)),
                bounce_limits::pause_hard_bounces.eq(i32::from(limits.pause_hard_bounces)),
                bounce_limits::pause_complaints.eq(i32::from(limits.pause_complaints)),
                bounce_limits::warn_complaints.eq(i32::from(limits.warn_complaints)),
                bounce_limits::changed_by.eq(&by),
                bounce_limits::changed_at_ms.eq(now.0),
            );
            on!(conn, |c| diesel::insert_into(bounce_limits::table)
                .values((bounce_limits::workspace_id.eq(ws.0), values))
                .on_conflict(bounce_limits::workspace_id)
                .do_update()
                .set(values)
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// Says what a text means that no rule knows; `None` takes the word back. It holds for what comes from now on, and for reports
    /// that are read again.
    ///
    /// # Errors
    /// The transaction could not be committed.
    pub async fn label_bounce_text(
        &self,
        text_key: &str,
        class: Option<BounceClass>,
        by: &str,
        now: UnixMs,
    ) -> StoreResult<()> {
        let (key, by) = (text_key.to_owned(), by.to_owned());
        self.write(move |conn, ws| {
            let was = label(conn, ws, &key)?;
            if was == class {
                return Ok(());
            }
            let word = |class: Option<BounceClass>| class.map_or("", BounceClass::as_str);
            let note = Note { ws, by: &by, now };
            note.write(conn, BounceSubject::Label(key.clone()), word(was), word(class))?;
            let Some(class) = class else {
                diesel::delete(bounce_labels::table.find((ws.0, &key))).execute(conn)?;
                return Ok(());
            };
            let word = (
                bounce_labels::class.eq(class.as_str()),
                bounce_labels::labelled_by.eq(&by),
                bounce_labels::labelled_at_ms.eq(now.0),
            );
            on!(conn, |c| diesel::insert_into(bounce_labels::table)
                .values((bounce_labels::workspace_id.eq(ws.0), bounce_labels::text_key.eq(&key), word))
                .on_conflict((bounce_labels::workspace_id, bounce_labels::text_key))
                .do_update()
                .set(word)
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// All labels, by text.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bounce_labels(&self) -> StoreResult<Vec<BounceLabel>> {
        self.read(|conn, ws| {
            Ok(bounce_labels::table
                .filter(bounce_labels::workspace_id.eq(ws.0))
                .order(bounce_labels::text_key)
                .select(BounceLabel::as_select())
                .load(conn)?)
        })
        .await
    }
}

/// The rules in force, inside a transaction.
pub(crate) fn rules(conn: &mut AnyConn, ws: WorkspaceId) -> StoreResult<BounceRules> {
    let chosen: Vec<(Db<BounceClass>, Db<BounceAction>)> = bounce_actions::table
        .filter(bounce_actions::workspace_id.eq(ws.0))
        .select((bounce_actions::class, bounce_actions::action))
        .load(conn)?;
    let chosen: BTreeMap<_, _> = chosen.into_iter().map(|(class, action)| (class.0, action.0)).collect();
    type Row = (i32, i32, i32, i32, i32, i32);
    let limits: Option<Row> = bounce_limits::table
        .find(ws.0)
        .select((
            bounce_limits::second_within_days,
            bounce_limits::hold_after,
            bounce_limits::hold_over_days,
            bounce_limits::pause_hard_bounces,
            bounce_limits::pause_complaints,
            bounce_limits::warn_complaints,
        ))
        .first(conn)
        .optional()?;
    let small = |n: i32| u16::try_from(n.max(0)).unwrap_or(u16::MAX);
    let limits =
        limits.map_or_else(BounceLimits::default, |(second, after, over, hard, complaints, warn)| BounceLimits {
            second_within_days: small(second),
            hold_after: small(after),
            hold_over_days: small(over),
            pause_hard_bounces: small(hard),
            pause_complaints: small(complaints),
            warn_complaints: small(warn),
        });
    Ok(BounceRules { chosen, limits })
}

/// What a person called this text, if anybody did.
pub(crate) fn label(conn: &mut AnyConn, ws: WorkspaceId, text_key: &str) -> StoreResult<Option<BounceClass>> {
    if text_key.is_empty() {
        return Ok(None);
    }
    let found: Option<Db<BounceClass>> =
        bounce_labels::table.find((ws.0, text_key)).select(bounce_labels::class).first(conn).optional()?;
    Ok(found.map(|class| class.0))
}
