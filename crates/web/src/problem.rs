//! What goes wrong, as a page: what happened, what was not lost, what to do, and a number to find it in the log.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use tidings_store::StoreError;

/// A failure of a page. A form that is filled in badly is none: it comes back with its errors (422).
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The thing is not there, or is another tenant's: the answer is the same.
    #[error("not found")]
    NotFound,
    /// The person may not do this; says who may.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// The request did not prove that it came from our page.
    #[error("the form is too old or came from elsewhere")]
    StaleForm,
    /// The request makes no sense; the text is shown.
    #[error("bad request: {0}")]
    BadRequest(String),
    #[error("the body is larger than {0} octets")]
    TooLarge(usize),
    #[error("the body came too slowly")]
    TooSlow,
    #[error(transparent)]
    Store(StoreError),
    /// A failure of ours; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

pub type WebResult<T> = Result<T, WebError>;

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("a page could not be rendered: {error}"))
    }
}

/// What the error page says. The middleware finds it in the response and makes the page.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub title: String,
    pub detail: String,
    pub hint: String,
}

impl Problem {
    fn new(title: &str, detail: impl Into<String>, hint: &str) -> Self {
        Self { title: title.to_owned(), detail: detail.into(), hint: hint.to_owned() }
    }

    /// For a status that came from elsewhere (a route that is not there, a path that cannot be read).
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => WebError::NotFound.problem(),
            StatusCode::PAYLOAD_TOO_LARGE => WebError::TooLarge(0).problem(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                "This address does not take that",
                "The request used a method that this page does not know.",
                "Go back and use the buttons on the page.",
            ),
            status if status.is_client_error() => WebError::BadRequest(String::new()).problem(),
            _ => WebError::Internal(String::new()).problem(),
        }
    }
}

impl WebError {
    fn problem(&self) -> Problem {
        match self {
            Self::NotFound => Problem::new(
                "Nothing here",
                "The page does not exist, or what it showed was deleted.",
                "Check the address, or go on from the home page.",
            ),
            Self::Forbidden(who) => {
                Problem::new("You may not do this", *who, "Ask an admin of your workspace. Nothing was changed.")
            }
            Self::StaleForm => Problem::new(
                "The form has expired",
                "It was opened in another session, or too long ago, so nothing was changed.",
                "Go back, reload the page and send the form again.",
            ),
            Self::BadRequest(why) => Problem::new(
                "That could not be read",
                if why.is_empty() { "Something in the request is not in the form we expect." } else { why.as_str() },
                "Nothing was changed. Go back and try again.",
            ),
            Self::TooLarge(_) => Problem::new(
                "That is too large",
                "The form or file is larger than this page takes, so nothing was changed.",
                "Make it smaller, or use an import for large lists.",
            ),
            Self::TooSlow => Problem::new(
                "The connection was too slow",
                "The form did not arrive in time, so nothing was changed.",
                "Go back and send it again.",
            ),
            Self::Store(error) if error.is_disk_full() => Problem::new(
                "The disk is full",
                "The database has no room to record this, so nothing was changed. Sending and imports wait, and nothing is lost.",
                "Ask the operator to make room on the disk, then try again.",
            ),
            Self::Store(_) | Self::Internal(_) => Problem::new(
                "Something broke on our side",
                "What you sent may not have been saved. Campaigns that are being sent are not affected.",
                "Try again. If it happens again, look in the log for the number below.",
            ),
        }
    }
}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden(_) | Self::StaleForm => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Store(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.problem());
        response
    }
}
