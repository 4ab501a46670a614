//! Tenants.

use diesel::prelude::*;
use tidings_domain::Lane;

use crate::schema::workspaces;
use crate::schema::workspaces::dsl;
use crate::{Store, StoreResult, Workspace, WorkspaceId};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub struct WorkspaceRow {
    pub id: WorkspaceId,
    pub name: String,
    /// Stands at the foot of every campaign; several lines. Empty until it is set.
    pub postal_address: String,
    /// An IANA name, like `Europe/Amsterdam`.
    pub time_zone: String,
    /// The sender that a new campaign starts with.
    pub from_name: String,
    pub from_email: String,
    pub created_at_ms: i64,
    /// How long each lane tries, in hours from the first attempt; 0: as long as the lane does by itself.
    pub give_up_transactional_hours: i32,
    pub give_up_automation_hours: i32,
    pub give_up_bulk_hours: i32,
}

impl WorkspaceRow {
    /// The chosen hours of a lane; 0: none were chosen.
    #[must_use]
    pub fn give_up_hours(&self, lane: Lane) -> u32 {
        let hours = match lane {
            Lane::Transactional => self.give_up_transactional_hours,
            Lane::Automation => self.give_up_automation_hours,
            Lane::Bulk => self.give_up_bulk_hours,
        };
        hours.unsigned_abs()
    }
}

/// What the organisation's form changes.
#[derive(Debug, Clone)]
pub struct Organisation {
    pub name: String,
    pub postal_address: String,
    pub time_zone: String,
}

impl Store {
    /// The oldest workspace: the one that the command line works on.
    ///
    /// # Errors
    /// The database's own.
    pub async fn first_workspace(&self) -> StoreResult<Option<WorkspaceRow>> {
        self.read(|conn| {
            let first = dsl::workspaces.order(dsl::id).select(WorkspaceRow::as_select());
            Ok(first.first(conn).optional()?)
        })
        .await
    }
}

impl Workspace {
    /// # Errors
    /// [`crate::StoreError::NotFound`] when the workspace is gone.
    pub async fn details(&self) -> StoreResult<WorkspaceRow> {
        self.read(|conn, ws| Ok(dsl::workspaces.find(ws).select(WorkspaceRow::as_select()).first(conn)?)).await
    }

    /// # Errors
    /// The database's own.
    pub async fn save_organisation(&self, organisation: Organisation) -> StoreResult<()> {
        self.write(move |conn, ws| {
            diesel::update(dsl::workspaces.find(ws))
                .set((
                    dsl::name.eq(organisation.name),
                    dsl::postal_address.eq(organisation.postal_address),
                    dsl::time_zone.eq(organisation.time_zone),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// How long each lane tries, in hours from the first attempt: transactional, automation, bulk. 0 leaves the lane's own window. The
    /// caller has checked the bounds.
    ///
    /// # Errors
    /// Hours beyond what the schema allows, and the database's own.
    pub async fn save_give_up_hours(&self, [transactional, automation, bulk]: [i32; 3]) -> StoreResult<()> {
        self.write(move |conn, ws| {
            diesel::update(dsl::workspaces.find(ws))
                .set((
                    dsl::give_up_transactional_hours.eq(transactional),
                    dsl::give_up_automation_hours.eq(automation),
                    dsl::give_up_bulk_hours.eq(bulk),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The sender that new campaigns start with.
    ///
    /// # Errors
    /// The database's own.
    pub async fn save_sender(&self, from_name: String, from_email: String) -> StoreResult<()> {
        self.write(move |conn, ws| {
            diesel::update(dsl::workspaces.find(ws))
                .set((dsl::from_name.eq(from_name), dsl::from_email.eq(from_email)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
