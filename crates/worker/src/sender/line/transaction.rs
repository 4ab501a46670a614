//! One transaction: the connection that it needs, the offer, the intent, the dot.

use std::time::Duration;

use tidings_delivery::{Connection, Envelope, Offer};
use tidings_domain::{Outcome, Phase, Problem};
use tidings_queue::{Scope, Signal};
use tidings_store::{Intent, IntentAnswer, Work};

use super::Line;
use crate::sender::ahead::Ahead;
use crate::sender::targets::Spot;

/// After a failure to connect the whole destination rests, so that its other jobs do not fail one by one.
const REST_AFTER_FAILED_CONNECT: Duration = Duration::from_secs(30);

/// After so many refusals a connection ends and the next message gets a new one: Postfix answers each error after the tenth a second later
/// (`smtpd_soft_error_limit`), and ends the connection itself after the twentieth, with a 421 that looks like a throttle. Exim ends it after ten
/// commands that are no mail (`smtp_accept_max_nonmail`), of which the RSET after each refusal is one, with a 554 in plain text within TLS.
const REFUSALS_A_CONNECTION: u32 = 10;

/// An open connection and where it leads.
pub(super) struct Open {
    connection: Connection,
    spot: Spot,
    /// Transactions begun on it. If it dies at the first command of another than the first, the peer only tired of waiting.
    begun: u32,
    /// Of these, what the peer refused.
    refused: u32,
}

impl Line<'_> {
    /// The transaction up to its reply, and what the ledger said to the intent if it came that far.
    pub(super) async fn attempt(&mut self, work: &Work, ahead: &mut Ahead) -> (Outcome, Option<IntentAnswer>) {
        if work.is_deleted() {
            return (withdrawn("the subscriber was deleted"), self.commit_intent(work).await);
        }
        let message = match ahead.message(work.delivery).await {
            Ok(message) => message,
            Err(outcome) => return (outcome, None),
        };
        let envelope = Envelope {
            mail_from: &message.mail_from,
            rcpt_to: &message.rcpt_to,
            smtputf8: !message.rcpt_to.is_ascii(),
        };
        loop {
            let reused = match self.connect(work).await {
                Ok(reused) => reused,
                Err(outcome) => return (outcome, None),
            };
            let Some(open) = self.open.as_mut() else {
                return (withdrawn("no connection"), None);
            };
            self.carried = open.begun;
            open.begun += 1;
            self.peer = Some(open.connection.peer().clone());
            match open.connection.offer(&envelope, &message.data).await {
                // The peer closed an idle connection: nothing was lost, a new one is opened once.
                Offer::Ended(Outcome::Broken { phase: Phase::Mail, problem: Problem::ConnectionLost, .. })
                    if reused =>
                {
                    self.open = None;
                }
                Offer::Ended(outcome) => {
                    open.refused += u32::from(matches!(outcome, Outcome::Refused { .. }));
                    self.end_if_spent().await;
                    return (outcome, None);
                }
                Offer::AwaitsDot => return self.send_dot(work).await,
            }
        }
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn send_dot(&mut self, work: &Work) -> (Outcome, Option<IntentAnswer>) {
        let answer = self.commit_intent(work).await;
        let Some(mut open) = self.open.take() else {
            return (withdrawn("no connection"), answer);
        };
        match answer {
            Some(IntentAnswer::Go) => {
                let outcome = open.connection.finish().await;
                open.refused += u32::from(matches!(outcome, Outcome::Refused { .. }));
                self.open = Some(open);
                self.end_if_spent().await;
                (outcome, Some(IntentAnswer::Go))
            }
            other => (open.connection.withdraw(), other),
        }
    }

    /// `None` when the committer has stopped: then nothing may be sent.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn commit_intent(&self, work: &Work) -> Option<IntentAnswer> {
        let intent = Intent { delivery: work.delivery, campaign: work.campaign, attempt: work.attempt };
        self.context.recorder.intent(intent).await.ok()
    }

    /// Makes sure that a connection to one of the recipient's hosts is open. Says whether it was open before.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn connect(&mut self, work: &Work) -> Result<bool, Outcome> {
        let spots = self.context.targets.spots(work).await?;
        if let Some(open) = &self.open
            && open.connection.is_reusable()
            && spots.iter().any(|spot| spot.same_peer(&open.spot))
        {
            return Ok(open.begun > 0);
        }
        self.hang_up().await;
        let mut last = withdrawn("no host to connect to");
        for spot in spots {
            match self.context.targets.open(&spot).await {
                Ok(connection) => {
                    self.context.route_works(work.route).await;
                    self.open = Some(Open { connection, spot, begun: 0, refused: 0 });
                    return Ok(false);
                }
                Err(outcome) => last = outcome,
            }
        }
        self.rest_if_unreachable(&last).await;
        Err(last)
    }

    /// Nobody answers: the destination rests, instead of every job finding out by itself.
    async fn rest_if_unreachable(&mut self, outcome: &Outcome) {
        if let Outcome::Broken { phase: Phase::Connect | Phase::Greeting, detail, .. } = outcome {
            self.is_held = true;
            self.gives_back = true;
            self.rest(detail.clone()).await;
        }
    }

    pub(super) async fn rest(&self, why: String) {
        let rest = REST_AFTER_FAILED_CONNECT.min(self.context.options.longest_hold);
        self.context.queue.signal(&self.grant.shard, Signal::hold(Scope::Destination, rest, why)).await;
    }

    async fn end_if_spent(&mut self) {
        if self.open.as_ref().is_some_and(|open| !open.connection.is_reusable()) {
            self.open = None;
        } else if self.open.as_ref().is_some_and(|open| open.refused >= REFUSALS_A_CONNECTION) {
            self.hang_up().await;
        }
    }

    /// The slot is given back, or used again, only when the peer has seen the connection end: till then it counts against us there.
    pub(super) async fn hang_up(&mut self) {
        if let Some(open) = self.open.take() {
            open.connection.quit().await;
        }
    }
}

fn withdrawn(detail: &str) -> Outcome {
    Outcome::Broken { phase: Phase::Body, problem: Problem::Withdrawn, detail: detail.to_owned() }
}
