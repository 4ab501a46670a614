//! One-time links: the set-up of a new instance, and signing in without a password. Only the hash of a token is kept.

use diesel::prelude::*;
use tidings_domain::UnixMs;

use crate::schema::one_time_tokens::dsl;
use crate::{AnyConn, Store, StoreResult, UserId};

/// What a token opens. A token of one purpose never serves another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Setup,
    SignIn,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::SignIn => "sign_in",
        }
    }
}

/// The SHA-256 of a token in hex; the token itself never comes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHash(pub String);

impl Store {
    /// Keeps a token until it is used or expires. Expired ones of any purpose go in the same step.
    ///
    /// # Errors
    /// The database's own.
    pub async fn add_token(
        &self,
        hash: TokenHash,
        purpose: Purpose,
        user: Option<UserId>,
        expires: UnixMs,
        now: UnixMs,
    ) -> StoreResult<()> {
        self.write(move |conn| {
            diesel::delete(dsl::one_time_tokens.filter(dsl::expires_at_ms.lt(now.0))).execute(conn)?;
            diesel::insert_into(dsl::one_time_tokens)
                .values((
                    dsl::token_hash.eq(hash.0),
                    dsl::purpose.eq(purpose.as_str()),
                    dsl::user_id.eq(user),
                    dsl::expires_at_ms.eq(expires.0),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Whether a token would open now; it stays usable.
    ///
    /// # Errors
    /// The database's own.
    pub async fn token_is_good(&self, hash: TokenHash, purpose: Purpose, now: UnixMs) -> StoreResult<bool> {
        self.read(move |conn| {
            let found = diesel::select(diesel::dsl::exists(
                dsl::one_time_tokens
                    .filter(dsl::token_hash.eq(hash.0))
                    .filter(dsl::purpose.eq(purpose.as_str()))
                    .filter(dsl::expires_at_ms.gt(now.0)),
            ));
            Ok(found.get_result(conn)?)
        })
        .await
    }

    /// Uses a sign-in token up. `None` when it is unknown, used or expired; of two who come at once, one gets the user.
    ///
    /// # Errors
    /// The database's own.
    pub async fn use_sign_in_token(&self, hash: TokenHash, now: UnixMs) -> StoreResult<Option<UserId>> {
        self.write(move |conn| take(conn, &hash, Purpose::SignIn, now).map(Option::flatten)).await
    }
}

/// Deletes the token and says whose it was: `None` when it did not open.
pub(crate) fn take(
    conn: &mut AnyConn,
    hash: &TokenHash,
    purpose: Purpose,
    now: UnixMs,
) -> StoreResult<Option<Option<UserId>>> {
    let good = dsl::one_time_tokens
        .filter(dsl::token_hash.eq(&hash.0))
        .filter(dsl::purpose.eq(purpose.as_str()))
        .filter(dsl::expires_at_ms.gt(now.0));
    Ok(diesel::delete(good).returning(dsl::user_id).get_result(conn).optional()?)
}
