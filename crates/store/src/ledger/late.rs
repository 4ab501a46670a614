//! What comes back after the acceptance: a delivery report, or a complaint. It moves its row once; the same news again changes nothing.

use diesel::prelude::*;
use tidings_domain::{DeliveryState, SubscriberStatus, UnixMs};

use super::counts::Deltas;
use super::marks::{self, Suppressed};
use super::outcomes::{Facts, facts_of};
use super::step::Step;
use crate::schema::deliveries;
use crate::text::storable;
use crate::{AnyConn, DeliveryId, Store, StoreResult};

/// News of a delivery, proven by its token.
#[derive(Debug, Clone)]
pub struct LateNews {
    pub delivery: DeliveryId,
    pub what: LateKind,
    /// A bounce class or a feedback type.
    pub reason: String,
    /// The remote server's words, or the report's.
    pub text: String,
    /// How it came: stands with the suppression.
    pub source: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateKind {
    HardBounce,
    Complaint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LateAnswer {
    /// The row moved; the subscriber is marked and the address suppressed.
    Moved {
        recipient: String,
    },
    /// The row stands where no such news can move it: it ended so before, or was never accepted.
    StandsStill(DeliveryState),
    /// A test message: its fate says nothing of a subscriber.
    Test,
    NoSuchDelivery,
}

impl LateKind {
    const fn state(self) -> DeliveryState {
        match self {
            Self::HardBounce => DeliveryState::HardBounced,
            Self::Complaint => DeliveryState::Complained,
        }
    }
}

impl Store {
    /// Records a delivery report or complaint: the row, the counters, the subscriber and the suppression, in one transaction.
    ///
    /// # Errors
    /// The transaction could not be committed; the report must be kept and told again.
    pub async fn record_late(&self, news: LateNews, now: UnixMs) -> StoreResult<LateAnswer> {
        self.write(move |conn| {
            let Some(fact) = facts_of(conn, news.delivery)? else { return Ok(LateAnswer::NoSuchDelivery) };
            if !fact.is_counted() {
                return Ok(LateAnswer::Test);
            }
            let state = fact.state.0;
            let step = Step::new(state, news.what.state())
                .filter(|_| matches!(state, DeliveryState::Accepted | DeliveryState::InDoubt));
            let Some(step) = step else { return Ok(LateAnswer::StandsStill(state)) };
            move_row(conn, &fact, step, &news, now)?;
            let mut deltas = Deltas::default();
            deltas.step(fact.owner(), step, 1);
            deltas.write(conn)?;
            follow(conn, &fact, &news, now)?;
            Ok(LateAnswer::Moved { recipient: fact.recipient })
        })
        .await
    }
}

/// The reply that stands in the row was the acceptance; what came back is what a person wants to read.
fn move_row(conn: &mut AnyConn, fact: &Facts, step: Step, news: &LateNews, now: UnixMs) -> StoreResult<()> {
    diesel::update(deliveries::table.find(fact.id).filter(deliveries::state.eq(step.from().code())))
        .set((
            deliveries::state.eq(step.to().code()),
            deliveries::reason.eq(&news.reason),
            deliveries::reply.eq(storable(&news.text)),
            deliveries::updated_at_ms.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

fn follow(conn: &mut AnyConn, fact: &Facts, news: &LateNews, now: UnixMs) -> StoreResult<()> {
    let (status, reason) = match news.what {
        LateKind::HardBounce => (SubscriberStatus::Bounced, "hard_bounce"),
        LateKind::Complaint => (SubscriberStatus::Complained, "complaint"),
    };
    if let Some(id) = fact.subscriber {
        marks::mark(conn, id, status, now)?;
    }
    marks::suppress(conn, fact, &Suppressed { reason, source: news.source, evidence: &news.text }, now)
}
