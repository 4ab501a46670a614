//! What a run left behind: the ledger as the product tells it, the steps as a witness in the database saw them, the copies as the sandbox
//! wrote them down.

use std::collections::HashMap;

use tidings_domain::{CampaignState, DeliveryState};

/// All that the checker looks at.
#[derive(Debug, Default)]
pub struct Facts {
    pub campaigns: Vec<CampaignFacts>,
    /// In the order in which the database made them.
    pub moves: Vec<Move>,
    pub acts: Vec<Act>,
    pub tellings: Vec<Telling>,
    pub bounces: Vec<Bounce>,
    /// In the order in which the sandbox accepted them.
    pub copies: Vec<Arrival>,
    /// By delivery, the content that this recipient was to get.
    pub expected: HashMap<i64, String>,
    pub vitals: Vec<Vital>,
}

#[derive(Debug)]
pub struct CampaignFacts {
    pub id: i64,
    pub name: String,
    pub state: CampaignState,
    /// What fan-out froze.
    pub audience: Option<i64>,
    /// The sum of the counters that pages show.
    pub counted: i64,
    /// Counters, and sums of groups of replies, that differ from a recount of the rows, in words.
    pub miscounts: Vec<String>,
    pub rows: Vec<Row>,
    /// Addresses that were on its list at the launch.
    pub invited: Vec<String>,
}

/// A row of the ledger at the end.
#[derive(Debug, Clone)]
pub struct Row {
    pub delivery: i64,
    pub recipient: String,
    pub state: DeliveryState,
}

/// An instant of the database, comparable with its others: on PostgreSQL microseconds, on SQLite, which commits one by one, a number.
pub type At = i64;

/// A row that went from one state to another.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    pub delivery: i64,
    pub campaign: i64,
    /// `None`: deleted since.
    pub subscriber: Option<i64>,
    pub from: DeliveryState,
    pub to: DeliveryState,
    /// When its transaction began: it sees what was committed before.
    pub began: At,
    pub committed: At,
    /// On the machine's clock, which the sandbox has too: the commit on PostgreSQL, a little before it on SQLite.
    pub at_ms: i64,
}

impl Move {
    /// The intent: after it the final dot may be written.
    #[must_use]
    pub fn is_intent(&self) -> bool {
        self.to == DeliveryState::Sending
    }

    /// What a person did with a row in doubt.
    #[must_use]
    pub fn is_sent_again(&self) -> bool {
        (self.from, self.to) == (DeliveryState::InDoubt, DeliveryState::Deferred)
    }
}

/// The end of an attempt, as it was written into the row's history.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    pub delivery: i64,
    /// Which attempt it was, from 1.
    pub number: i64,
    /// The attempt that the row has come to.
    pub row_is_at: i64,
}

/// What was written to us about a delivery that had been accepted.
#[derive(Debug, Clone, Copy)]
pub struct Bounce {
    pub delivery: i64,
    /// Reports that were answered with 250.
    pub answered: usize,
    /// Reports that are kept: also those whose answer was lost.
    pub kept: usize,
    /// Of these, those from which something followed.
    pub followed: usize,
}

/// What somebody did that stops sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub what: What,
    pub committed: At,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Launched(i64),
    Paused(i64),
    Resumed(i64),
    Cancelled(i64),
    /// An address, of all mail.
    Suppressed(String),
    /// A subscriber from the list of his campaign.
    Unsubscribed(i64),
    /// A subscriber and all that is known of him.
    Deleted(i64),
}

/// A copy that the sandbox accepted.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub seq: u64,
    /// On the machine's clock.
    pub at_ms: i64,
    /// By its Message-ID; `None`: not one of ours.
    pub delivery: Option<i64>,
    pub recipient: String,
    pub content: String,
}

/// Something that has to be back where it was before the campaign.
#[derive(Debug, Clone)]
pub struct Vital {
    pub what: String,
    pub is: u64,
    pub at_most: u64,
    /// Where it is, for whoever has to find out why; empty when there is no more to say.
    pub detail: String,
}
