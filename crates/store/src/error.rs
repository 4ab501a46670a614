/// What can go wrong between us and the database. A row that is not there is `Ok(None)` or [`StoreError::NotFound`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("not found")]
    NotFound,
    /// A unique constraint says no: the name says which.
    #[error("already exists ({0})")]
    Exists(String),
    #[error("the database refused: {0}")]
    Query(diesel::result::Error),
    #[error("no connection to the database: {0}")]
    Connect(String),
    #[error("the database cannot be migrated: {0}")]
    Migrate(String),
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
    /// One more than the bound allows: what, and the bound.
    #[error("there are {1} {0} already, which is the most that can be")]
    Full(&'static str, i64),
    /// COMMIT was sent, and nobody could say in time what became of it: the rows have to be read again by their keys.
    #[error("the database did not say whether it kept what was written: {0}")]
    Unanswered(String),
    #[error("the database task was stopped")]
    Stopped,
}

impl StoreError {
    /// The database has no room left to write. Both databases say so in words only (SQLITE_FULL; SQLSTATE 53100).
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use diesel::result::Error;
        let Self::Query(Error::DatabaseError(_, info)) = self else { return false };
        ["database or disk is full", "No space left on device"].iter().any(|words| info.message().contains(words))
    }

    /// The database chose this transaction to end a knot of several (40001, 40P01): done again, it succeeds. Of the second diesel has
    /// only the words.
    #[must_use]
    pub fn gave_way(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Query(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Self::Query(Error::DatabaseError(_, info)) => info.message().contains("deadlock detected"),
            _ => false,
        }
    }

    /// The server has understood and refused, so that it is there.
    pub(crate) fn is_answer(&self) -> bool {
        use diesel::result::{DatabaseErrorKind as Kind, Error};
        match self {
            Self::Query(Error::NotFound) => true,
            Self::Query(Error::DatabaseError(kind, _)) => {
                !matches!(kind, Kind::ClosedConnection | Kind::Unknown | Kind::UnableToSendCommand)
            }
            Self::Query(_) | Self::Connect(_) => false,
            _ => true,
        }
    }

    /// The statement is refused for what stands in it, and would be refused again.
    #[must_use]
    pub fn is_about_content(&self) -> bool {
        use diesel::result::{DatabaseErrorKind as Kind, Error};
        match self {
            Self::NotFound | Self::Exists(_) | Self::Corrupt(_) | Self::Full(..) => true,
            Self::Query(Error::DatabaseError(kind, _)) => {
                matches!(kind, Kind::CheckViolation | Kind::NotNullViolation | Kind::ForeignKeyViolation)
            }
            Self::Query(Error::SerializationError(_) | Error::DeserializationError(_)) => true,
            Self::Query(_) | Self::Connect(_) | Self::Migrate(_) | Self::Unanswered(_) | Self::Stopped => false,
        }
    }
}

pub type StoreResult<T> = Result<T, StoreError>;

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::NotFound => Self::NotFound,
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Exists(info.constraint_name().unwrap_or_else(|| info.message()).to_owned())
            }
            other => Self::Query(other),
        }
    }
}
