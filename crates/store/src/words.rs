//! Domain enums in columns.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{SmallInt, Text};
use tidings_domain::{
    BounceAction, BounceClass, CampaignState, DeliveryKind, DeliveryState, DkimAlgorithm, DkimKeyState, Lane,
    RecordKind, RecordState, Role, RouteKind, RouteTls, SendingDomainState, Service, SubscriberStatus,
    SubscriptionStatus, SuppressionKind, SuppressionReason, Theme, TlsPolicyType, TlsResult, UnsentAct, Word,
};

/// A domain word in a text column. An unknown word is a load error, never a default.
#[derive(Debug, Clone, Copy, FromSqlRow, AsExpression)]
#[diesel(sql_type = Text)]
pub struct Db<T: Word + std::fmt::Debug>(pub T);

impl<T: Word + std::fmt::Debug, DB: Backend> ToSql<Text, DB> for Db<T>
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.as_str().to_sql(out)
    }
}

impl<T: Word + std::fmt::Debug, DB: Backend> FromSql<Text, DB> for Db<T>
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(T::parse(&String::from_sql(bytes)?)?))
    }
}

/// A domain enum of the ledger in its small code.
pub trait Coded: Copy {
    fn code(self) -> i16;
    fn from_code(code: i16) -> Option<Self>;
}

macro_rules! coded {
    ($($name:ident),+) => { $(impl Coded for $name {
        fn code(self) -> i16 { Self::code(self) }
        fn from_code(code: i16) -> Option<Self> { Self::from_code(code) }
    })+ };
}
coded!(DeliveryState, DeliveryKind, Lane);

#[derive(Debug, Clone, Copy, FromSqlRow, AsExpression)]
#[diesel(sql_type = SmallInt)]
pub struct Code<T: Coded + std::fmt::Debug>(pub T);

impl<T: Coded + std::fmt::Debug, DB: Backend> FromSql<SmallInt, DB> for Code<T>
where
    i16: FromSql<SmallInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let code = i16::from_sql(bytes)?;
        T::from_code(code).map(Self).ok_or_else(|| format!("unknown code {code}").into())
    }
}

// For `#[diesel(deserialize_as = Db<…>)]`: row structs hold the plain domain word.
macro_rules! plain {
    ($wrapper:ident: $($name:ident),+) => { $(impl From<$wrapper<$name>> for $name {
        fn from(wrapped: $wrapper<$name>) -> Self { wrapped.0 }
    })+ };
}
plain!(Db: CampaignState, Role, RouteKind, RouteTls, SubscriberStatus, SubscriptionStatus, SuppressionKind);
plain!(Db: SuppressionReason, Theme, BounceClass, BounceAction, Service, TlsPolicyType, TlsResult, UnsentAct);
plain!(Db: DkimAlgorithm, DkimKeyState, RecordKind, RecordState, SendingDomainState);
plain!(Code: DeliveryKind, DeliveryState, Lane);
