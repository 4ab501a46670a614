/// What a marketer writes, and what a revision freezes. Every text may hold merge tags, but for the addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub subject: String,
    /// The grey line after the subject in an inbox; empty for none.
    pub preview_text: String,
    pub from_name: String,
    pub from_email: String,
    /// Empty: replies go to `from_email`.
    pub reply_to: String,
    pub html: String,
    /// The text part; empty: made from the HTML when it is frozen.
    pub text: String,
    pub track_opens: bool,
    pub track_clicks: bool,
    /// Of the workspace; lines are kept.
    pub postal_address: String,
    pub list_name: String,
}

/// Content whose links are found and replaced, as `revisions` stores it. `html` then asks for link *n* by its position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frozen {
    pub content: Content,
    /// Where each link leads: an `http` or `https` URL, whose path and query may hold merge tags.
    pub links: Vec<String>,
}

impl Frozen {
    /// Content as it stands, with nothing tracked: for the preview of a draft.
    #[must_use]
    pub fn untracked(content: Content) -> Self {
        Self { content, links: Vec::new() }
    }
}

/// Whom a message is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The ledger row; every token of the message names it. 0 in a preview, whose tokens lead nowhere.
    pub delivery: i64,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    /// A JSON object of text values, as `subscribers.attributes` holds it; empty is `{}`.
    pub attributes: String,
}

/// Where this installation is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `https://host` with no slash at its end; the public endpoints lie under it.
    pub public_url: String,
    /// Bounces come back to `b-…@` this domain.
    pub bounce_domain: String,
    /// What arrives at that domain is read here, so that people can also unsubscribe by mail.
    pub takes_unsubscribe_mails: bool,
    /// The host part of every List-Id (RFC 2919).
    pub list_id_host: String,
}

/// What a message is part of: makes List-Id and Feedback-ID, in which neither number can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub workspace: i64,
    pub campaign: i64,
}
