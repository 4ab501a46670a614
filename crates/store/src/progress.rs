//! How far a workspace has come on its way to the first campaign.

use diesel::dsl::{exists, select};
use diesel::prelude::*;

use crate::schema::{campaigns, routes, subscribers, workspaces};
use crate::{StoreResult, Workspace};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetupProgress {
    /// Name and postal address are there.
    pub has_organisation: bool,
    pub has_route: bool,
    pub has_subscribers: bool,
    pub has_campaign: bool,
    pub has_launched: bool,
}

impl SetupProgress {
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.has_organisation && self.has_route && self.has_subscribers && self.has_campaign && self.has_launched
    }
}

impl Workspace {
    /// # Errors
    /// The database's own.
    pub async fn setup_progress(&self) -> StoreResult<SetupProgress> {
        self.read(|conn, ws| {
            let address: String = workspaces::table.find(ws).select(workspaces::postal_address).first(conn)?;
            let routes = routes::table.filter(routes::workspace_id.eq(ws)).select(routes::id);
            let people = subscribers::table.filter(subscribers::workspace_id.eq(ws)).select(subscribers::id);
            let made = campaigns::table.filter(campaigns::workspace_id.eq(ws)).select(campaigns::id);
            let launched = made.filter(campaigns::queuing_at_ms.is_not_null());
            Ok(SetupProgress {
                has_organisation: !address.trim().is_empty(),
                has_route: select(exists(routes)).get_result(conn)?,
                has_subscribers: select(exists(people)).get_result(conn)?,
                has_campaign: select(exists(made)).get_result(conn)?,
                has_launched: select(exists(launched)).get_result(conn)?,
            })
        })
        .await
    }
}
