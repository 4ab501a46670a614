//! Which entries stop mail to an address: every kind, the workspace's list and the installation's, whatever the scope.
//!
//! Fan-out and intents look an address and its domain up inside their own statements, which is all that most workspaces need.
//! What such a look-up would miss is noted in `suppression_specials`; only for the kinds that stand there this check runs
//! besides, over many addresses at once, and the same everywhere: at fan-out, at the intent, in forecasts, imports and pages.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt, Text};
use tidings_domain::{AddressPattern, Lane, SuppressionKind, SuppressionReason, UnixMs, Word};

use crate::connection::on;
use crate::fixed::{Bind, Fixed, fixed_sql};
use crate::schema::suppression_specials;
use crate::suppression_scope::Scope;
use crate::words::Db;
use crate::{AnyConn, ListId, StoreError, StoreResult, SuppressionId, SuppressionKey, WorkspaceId};

/// The installation's own list: entries of the workspace that no workspace is.
pub(crate) const INSTALLATION: WorkspaceId = WorkspaceId(0);
/// Patterns of one list. Each is held against every address, where all other kinds are one look-up.
pub const MAX_PATTERNS: i64 = 500;

/// An entry that means an address, and when it stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub id: SuppressionId,
    pub kind: SuppressionKind,
    pub reason: SuppressionReason,
    pub is_global: bool,
    pub scope: Scope,
}

impl Hit {
    /// The most exact first, then the strongest, the workspace's own, the widest: of several, the first explains the silence.
    fn rank(&self) -> (SuppressionKind, Reverse<SuppressionReason>, bool, Scope, SuppressionId) {
        (self.kind, Reverse(self.reason), self.is_global, self.scope, self.id)
    }
}

/// All that stands against one address, the most telling first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hits(Vec<Hit>);

impl Hits {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hit> {
        self.0.iter()
    }

    /// The entry that stops mail of the lane, whatever list it is sent to.
    pub(crate) fn of_lane(&self, lane: Lane) -> Option<&Hit> {
        self.0.iter().find(|hit| hit.scope == Scope::All || hit.scope == Scope::Lane(lane))
    }

    /// Some entry is about one list only, so that the lists have a say.
    pub(crate) fn needs_lists(&self) -> bool {
        self.0.iter().any(|hit| matches!(hit.scope, Scope::List(_)))
    }

    /// The entry that stops a campaign which reaches the person by these lists: one for all of its lane, or one for each of them.
    pub(crate) fn of_campaign(&self, lane: Lane, lists: &[ListId]) -> Option<&Hit> {
        self.of_lane(lane).or_else(|| {
            let covers = |hit: &&Hit, list: ListId| hit.scope == Scope::List(list);
            let all = !lists.is_empty() && lists.iter().all(|list| self.0.iter().any(|hit| covers(&hit, *list)));
            all.then(|| self.0.iter().find(|hit| lists.iter().any(|list| covers(hit, *list)))).flatten()
        })
    }
}

/// The check, ready for any number of addresses of one workspace in one transaction.
pub(crate) struct Stops {
    workspace: WorkspaceId,
    key: SuppressionKey,
    now: UnixMs,
    /// Those looked up by a value.
    kinds: Vec<SuppressionKind>,
    patterns: Vec<(AddressPattern, Hit)>,
}

impl Stops {
    /// What a look-up of address and domain in the workspace's own list would miss; `None` when there is nothing.
    pub(crate) fn special(
        conn: &mut AnyConn,
        workspace: WorkspaceId,
        key: SuppressionKey,
        now: UnixMs,
    ) -> StoreResult<Option<Self>> {
        let kinds: Vec<Db<SuppressionKind>> = suppression_specials::table
            .filter(suppression_specials::workspace_id.eq_any([INSTALLATION, workspace]))
            .select(suppression_specials::kind)
            .load(conn)?;
        if kinds.is_empty() {
            return Ok(None);
        }
        let kinds: BTreeSet<SuppressionKind> = kinds.into_iter().map(|kind| kind.0).collect();
        Self::of_kinds(conn, workspace, key, kinds, now).map(Some)
    }

    /// Everything: for one address, and where the plain entries are not asked besides.
    pub(crate) fn all(
        conn: &mut AnyConn,
        workspace: WorkspaceId,
        key: SuppressionKey,
        now: UnixMs,
    ) -> StoreResult<Self> {
        let mut kinds = BTreeSet::from([SuppressionKind::Address, SuppressionKind::Domain]);
        let specials: Vec<Db<SuppressionKind>> = suppression_specials::table
            .filter(suppression_specials::workspace_id.eq_any([INSTALLATION, workspace]))
            .select(suppression_specials::kind)
            .load(conn)?;
        kinds.extend(specials.into_iter().map(|kind| kind.0));
        Self::of_kinds(conn, workspace, key, kinds, now)
    }

    fn of_kinds(
        conn: &mut AnyConn,
        workspace: WorkspaceId,
        key: SuppressionKey,
        mut kinds: BTreeSet<SuppressionKind>,
        now: UnixMs,
    ) -> StoreResult<Self> {
        let has_patterns = kinds.remove(&SuppressionKind::Pattern);
        let patterns = if has_patterns { patterns(conn, workspace, now)? } else { Vec::new() };
        Ok(Self { workspace, key, now, kinds: kinds.into_iter().collect(), patterns })
    }

    /// Patterns or hashes are among what is asked: no look-up from the entries' side finds their people.
    pub(crate) fn needs_every_address(&self) -> bool {
        use SuppressionKind as K;
        !self.patterns.is_empty() || self.kinds.iter().any(|kind| matches!(kind, K::Hash | K::Md5 | K::Sha256))
    }

    /// What stands against each of the canonical addresses, by their place; those against which nothing stands are left out.
    pub(crate) fn among<'e>(
        &self,
        conn: &mut AnyConn,
        emails: impl Iterator<Item = &'e str> + Clone,
    ) -> StoreResult<HashMap<usize, Hits>> {
        let mut found: HashMap<usize, Hits> = HashMap::new();
        for kind in &self.kinds {
            let mut asked: HashMap<String, Vec<usize>> = HashMap::new();
            for (place, email) in emails.clone().enumerate() {
                asked.entry(self.key.value(*kind, email).unwrap_or_default()).or_default().push(place);
            }
            let binds = [
                Bind::Int(self.workspace.0),
                Bind::Text(kind.as_str().to_owned()),
                Bind::Int(self.now.0),
                Bind::texts(asked.keys().cloned()),
            ];
            let rows: Vec<Row> = on!(conn, |c| Fixed::<ByValue>::new(binds).load(c))?;
            for row in rows {
                for place in asked.get(&row.value).into_iter().flatten() {
                    found.entry(*place).or_default().0.push(row.hit());
                }
            }
        }
        if !self.patterns.is_empty() {
            for (place, email) in emails.enumerate() {
                let matching = self.patterns.iter().filter(|(pattern, _)| pattern.matches(email));
                let hits: Vec<Hit> = matching.map(|(_, hit)| hit.clone()).collect();
                if !hits.is_empty() {
                    found.entry(place).or_default().0.extend(hits);
                }
            }
        }
        found.values_mut().for_each(|hits| hits.0.sort_by_key(Hit::rank));
        Ok(found)
    }

    /// What stands against one address.
    pub(crate) fn of(&self, conn: &mut AnyConn, email: &str) -> StoreResult<Hits> {
        Ok(self.among(conn, std::iter::once(email))?.remove(&0).unwrap_or_default())
    }
}

#[derive(Queryable)]
struct Row {
    id: SuppressionId,
    workspace: WorkspaceId,
    kind: Db<SuppressionKind>,
    value: String,
    reason: Db<SuppressionReason>,
    list: i64,
    lane: i16,
}

impl Row {
    fn hit(&self) -> Hit {
        Hit {
            id: self.id,
            kind: self.kind.0,
            reason: self.reason.0,
            is_global: self.workspace == INSTALLATION,
            scope: Scope::of(self.list, self.lane),
        }
    }
}

macro_rules! rows_where {
    ($condition:expr) => {
        concat!(
            "SELECT x.id, x.workspace_id, x.kind, x.value, x.reason, x.list_id, x.lane FROM suppressions x \
             WHERE x.workspace_id IN (0, ?) AND x.kind = ? AND (x.expires_at_ms IS NULL OR x.expires_at_ms > ?)",
            $condition
        )
    };
}

fixed_sql!(ByValue -> (BigInt, BigInt, Text, Text, Text, BigInt, SmallInt),
    lite: rows_where!(" AND x.value IN (SELECT value FROM json_each(?))"),
    pg: rows_where!(" AND x.value = ANY(?)"));

fixed_sql!(Patterns -> (BigInt, BigInt, Text, Text, Text, BigInt, SmallInt), rows_where!(""));

/// A pattern that cannot be read would stop nobody without a word: better nothing is sent.
fn patterns(conn: &mut AnyConn, ws: WorkspaceId, now: UnixMs) -> StoreResult<Vec<(AddressPattern, Hit)>> {
    let binds = [Bind::Int(ws.0), Bind::Text(SuppressionKind::Pattern.as_str().to_owned()), Bind::Int(now.0)];
    let rows: Vec<Row> = on!(conn, |c| Fixed::<Patterns>::new(binds).load(c))?;
    let parsed = rows.into_iter().map(|row| match AddressPattern::parse(&row.value) {
        Ok(pattern) => Ok((pattern, row.hit())),
        Err(error) => Err(StoreError::Corrupt(format!("suppression {}: the pattern {:?}: {error}", row.id, row.value))),
    });
    parsed.collect()
}

fixed_sql!(NoteSpecial -> (),
    "INSERT INTO suppression_specials (workspace_id, kind) VALUES (?, ?) ON CONFLICT (workspace_id, kind) DO NOTHING");

/// Must be called in the transaction that writes an entry of the kind and scope.
pub(crate) fn note(conn: &mut AnyConn, ws: WorkspaceId, kind: SuppressionKind, scope: Scope) -> StoreResult<()> {
    let is_plain =
        matches!(kind, SuppressionKind::Address | SuppressionKind::Domain) && scope == Scope::All && ws != INSTALLATION;
    if !is_plain {
        let binds = [Bind::Int(ws.0), Bind::Text(kind.as_str().to_owned())];
        on!(conn, |c| Fixed::<NoteSpecial>::new(binds).execute(c))?;
    }
    Ok(())
}
