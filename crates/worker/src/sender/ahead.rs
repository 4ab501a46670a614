//! The next messages of a claim, made and signed while the one before them is on the wire.

use std::collections::VecDeque;
use std::sync::Arc;

use tidings_compose::Message;
use tidings_domain::{Outcome, Phase, Problem};
use tidings_store::{DeliveryId, Work};
use tokio_util::task::AbortOnDropHandle;

use super::content::Unmade;
use super::context::SenderContext;

/// Messages that one connection holds ready. A signature takes a fraction of the time of a transaction with its commit, so few are
/// enough; all connections together hold this many times their number in memory.
const MESSAGES_AHEAD: usize = 3;

type Made = AbortOnDropHandle<Result<Message, Outcome>>;

/// The messages of one claim, in its order. Dropped, it ends what is still being made.
pub struct Ahead {
    context: Arc<SenderContext>,
    work: Arc<[Work]>,
    /// The first of `work` that was not begun.
    next: usize,
    begun: VecDeque<(DeliveryId, Made)>,
}

impl Ahead {
    pub fn of(context: Arc<SenderContext>, work: Arc<[Work]>) -> Self {
        Self { context, work, next: 0, begun: VecDeque::with_capacity(MESSAGES_AHEAD + 1) }
    }

    /// The message of a delivery of this claim; those before it are let go.
    pub async fn message(&mut self, delivery: DeliveryId) -> Result<Message, Outcome> {
        loop {
            self.begin_some();
            match self.begun.pop_front() {
                Some((of, made)) if of == delivery => {
                    self.begin_some();
                    return made.await.unwrap_or_else(|error| Err(stopped(&error.to_string())));
                }
                Some(_) => {}
                None => return Err(stopped("the delivery is not of this claim")),
            }
        }
    }

    fn begin_some(&mut self) {
        while self.begun.len() <= MESSAGES_AHEAD && self.next < self.work.len() {
            let (context, work, at) = (Arc::clone(&self.context), Arc::clone(&self.work), self.next);
            let delivery = work[at].delivery;
            // Nothing is made for somebody who is gone.
            if !work[at].is_deleted() {
                let task = tokio::spawn(async move { make(&context, &work[at]).await });
                self.begun.push_back((delivery, AbortOnDropHandle::new(task)));
            }
            self.next += 1;
        }
    }
}

async fn make(context: &SenderContext, work: &Work) -> Result<Message, Outcome> {
    let via = context.targets.service(work).await?;
    context.content.message(work, via).await.map_err(|error| {
        let (problem, detail) = match error {
            Unmade::Render(error) => (Problem::Render, format!("{error:#}")),
            Unmade::NoSigningKey(words) => (Problem::NoSigningKey, words),
            Unmade::Later(error) => (Problem::Withdrawn, format!("{error:#}")),
        };
        Outcome::Broken { phase: Phase::Compose, problem, detail }
    })
}

fn stopped(detail: &str) -> Outcome {
    Outcome::Broken { phase: Phase::Compose, problem: Problem::Withdrawn, detail: detail.to_owned() }
}
