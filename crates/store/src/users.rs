//! People who sign in, and what they are to a workspace.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tidings_domain::{Role, Theme, UnixMs};

use crate::one_time_tokens::{Purpose, TokenHash, take};
use crate::schema::{members, users, workspaces};
use crate::words::Db;
use crate::{AnyConn, Store, StoreResult, UserId, WorkspaceId, WorkspaceRow, sessions};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    /// PHC string of argon2id.
    pub password_hash: String,
    #[diesel(deserialize_as = Db<Theme>)]
    pub theme: Theme,
    pub created_at_ms: i64,
    pub signed_in_at_ms: Option<i64>,
}

/// A person in a workspace.
#[derive(Debug, Clone)]
pub struct Member {
    pub user: User,
    pub workspace: WorkspaceRow,
    pub role: Role,
}

/// The first admin of an instance. The password is hashed by the caller; an empty hash lets nobody in by password.
#[derive(Debug, Clone)]
pub struct NewAdmin {
    pub email: String,
    pub name: String,
    pub password_hash: String,
    /// The workspace's name, if there is none yet.
    pub workspace_name: String,
}

/// What became of a set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAdmin {
    Created(UserId, WorkspaceId),
    /// Somebody is already set up; the door stays closed for ever.
    Closed,
    /// The token is unknown, used or expired.
    BadToken,
}

impl Store {
    /// # Errors
    /// The database's own.
    pub async fn has_users(&self) -> StoreResult<bool> {
        self.read(has_users).await
    }

    /// Uses the set-up token up and makes the first admin and his workspace, in one transaction: two who open the link
    /// at once make one admin.
    ///
    /// # Errors
    /// The database's own.
    pub async fn set_up(&self, token: TokenHash, admin: NewAdmin, now: UnixMs) -> StoreResult<FirstAdmin> {
        self.write(move |conn| {
            // Two with links of their own at once: on PostgreSQL the second waits here. SQLite has one writer anyway.
            if let AnyConn::Pg(pg) = conn {
                pg.batch_execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")?;
            }
            if has_users(conn)? {
                return Ok(FirstAdmin::Closed);
            }
            if take(conn, &token, Purpose::Setup, now)?.is_none() {
                return Ok(FirstAdmin::BadToken);
            }
            let (user, workspace) = add_admin(conn, &admin, now)?;
            Ok(FirstAdmin::Created(user, workspace))
        })
        .await
    }

    /// Makes an admin without a link: for the demo and for tests.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the address is taken.
    pub async fn add_admin(&self, admin: NewAdmin, now: UnixMs) -> StoreResult<(UserId, WorkspaceId)> {
        self.write(move |conn| add_admin(conn, &admin, now)).await
    }

    /// # Errors
    /// The database's own.
    pub async fn user_by_email(&self, email: String) -> StoreResult<Option<User>> {
        self.read(move |conn| {
            let found = users::table.filter(users::email.eq(email)).select(User::as_select());
            Ok(found.first(conn).optional()?)
        })
        .await
    }

    /// The person with his workspace (for now, the first that he belongs to).
    ///
    /// # Errors
    /// The database's own.
    pub async fn member(&self, user: UserId) -> StoreResult<Option<Member>> {
        self.read(move |conn| {
            let row: Option<(User, WorkspaceRow, Db<Role>)> = users::table
                .inner_join(members::table.on(members::user_id.eq(users::id)))
                .inner_join(workspaces::table.on(workspaces::id.eq(members::workspace_id)))
                .filter(users::id.eq(user))
                .order(members::workspace_id)
                .select((User::as_select(), WorkspaceRow::as_select(), members::role))
                .first(conn)
                .optional()?;
            Ok(row.map(|(user, workspace, role)| Member { user, workspace, role: role.0 }))
        })
        .await
    }

    /// Records a sign-in, and the password's new hash when its parameters were raised.
    ///
    /// # Errors
    /// The database's own.
    pub async fn mark_signed_in(&self, user: UserId, rehashed: Option<String>, now: UnixMs) -> StoreResult<()> {
        self.write(move |conn| {
            let row = users::table.find(user);
            diesel::update(row).set(users::signed_in_at_ms.eq(now.0)).execute(conn)?;
            if let Some(hash) = rehashed {
                diesel::update(row).set(users::password_hash.eq(hash)).execute(conn)?;
            }
            Ok(())
        })
        .await
    }

    /// Sets a new password and ends every other session of the person, in one transaction. Returns how many ended.
    ///
    /// # Errors
    /// The database's own.
    pub async fn change_password(
        &self,
        user: UserId,
        hash: String,
        keep_session: Option<String>,
    ) -> StoreResult<usize> {
        self.write(move |conn| {
            diesel::update(users::table.find(user)).set(users::password_hash.eq(hash)).execute(conn)?;
            sessions::end_others(conn, user, keep_session.as_deref())
        })
        .await
    }

    /// # Errors
    /// The database's own.
    pub async fn save_profile(&self, user: UserId, name: String, theme: Theme) -> StoreResult<()> {
        self.write(move |conn| {
            let changed = (users::name.eq(name), users::theme.eq(Db(theme)));
            diesel::update(users::table.find(user)).set(changed).execute(conn)?;
            Ok(())
        })
        .await
    }
}

fn has_users(conn: &mut AnyConn) -> StoreResult<bool> {
    Ok(diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(conn)?)
}

fn add_admin(conn: &mut AnyConn, admin: &NewAdmin, now: UnixMs) -> StoreResult<(UserId, WorkspaceId)> {
    let known = workspaces::table.order(workspaces::id).select(workspaces::id).first(conn).optional()?;
    let workspace: WorkspaceId = match known {
        Some(id) => id,
        None => diesel::insert_into(workspaces::table)
            .values((workspaces::name.eq(&admin.workspace_name), workspaces::created_at_ms.eq(now.0)))
            .returning(workspaces::id)
            .get_result(conn)?,
    };
    let user: UserId = diesel::insert_into(users::table)
        .values((
            users::email.eq(&admin.email),
            users::name.eq(&admin.name),
            users::password_hash.eq(&admin.password_hash),
            users::created_at_ms.eq(now.0),
        ))
        .returning(users::id)
        .get_result(conn)?;
    diesel::insert_into(members::table)
        .values((
            members::workspace_id.eq(workspace),
            members::user_id.eq(user),
            members::role.eq(Db(Role::Admin)),
            members::created_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok((user, workspace))
}
