//! One connection slot: works off the jobs of a grant, one message after the other, over as few connections as it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_delivery::{Connection, Envelope, Offer};
use tidings_domain::{Attempt, DeliveryKind, Destination, Outcome, PaceKey, Peer, Phase, Problem, RouteKind};
use tidings_queue::{Grant, Job, LeaseState, More, Scope, Settle, Signal};
use tidings_store::{DeliveryId, Intent, IntentAnswer, OutcomeRecord, RouteId, Work};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ahead::Ahead;
use super::context::SenderContext;
use super::judge::{Bench, Judgement, judge};
use super::pace;
use super::targets::Spot;
use crate::now;
use crate::routes::{fault_of, words_of};

/// After a failure to connect the whole destination rests, so that its other jobs do not fail one by one.
const REST_AFTER_FAILED_CONNECT: Duration = Duration::from_secs(30);

/// Who paused a campaign, when the program did.
const PAUSED_BY: &str = "Tidings";

/// An open connection and where it leads.
struct Open {
    connection: Connection,
    spot: Spot,
    /// It has carried a message before: if it dies at the next one's first command, the peer only tired of waiting.
    used: bool,
}

struct Line<'a> {
    context: &'a Arc<SenderContext>,
    grant: &'a Grant,
    stop: &'a CancellationToken,
    open: Option<Open>,
    /// Who the last attempt spoke to, also when the connection is gone.
    peer: Option<Peer>,
    /// Its route does not get through: what is claimed goes back, and another route or a later hour takes it.
    gave_up: bool,
    /// The lease ran out under us: what is in flight ends, nothing new begins.
    is_lost: &'a AtomicBool,
    /// The peer asked to be left alone, or nobody answers.
    is_held: bool,
    /// The jobs of this claim that are still in hand go back, instead of each finding out by itself.
    gives_back: bool,
}

/// Works the grant off and closes it, showing life all the while: one reply may take ten minutes.
pub async fn serve(context: &Arc<SenderContext>, mut grant: Grant, stop: &CancellationToken) {
    let jobs = std::mem::take(&mut grant.jobs);
    let is_lost = AtomicBool::new(false);
    let line = Line {
        context,
        grant: &grant,
        stop,
        open: None,
        peer: None,
        gave_up: false,
        is_lost: &is_lost,
        is_held: false,
        gives_back: false,
    };
    tokio::select! {
        () = line.run(jobs) => {}
        () = show_life(context, &grant, &is_lost) => {}
    }
    context.queue.close(grant).await;
}

fn keeps_idle(since: &mut Option<Instant>, limit: Duration) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() < limit
}

/// Never ends by itself: a lost lease does not tear an attempt off in its middle.
async fn show_life(context: &SenderContext, grant: &Grant, is_lost: &AtomicBool) {
    while !is_lost.load(Ordering::Relaxed) {
        tokio::time::sleep(context.options.extend_every).await;
        if context.queue.extend(grant).await == LeaseState::Lost {
            is_lost.store(true, Ordering::Relaxed);
        }
    }
    std::future::pending().await
}

impl Line<'_> {
    async fn run(mut self, mut jobs: Vec<Job>) {
        let mut idle_since: Option<Instant> = None;
        loop {
            if !jobs.is_empty() {
                idle_since = None;
                if self.work_off(std::mem::take(&mut jobs)).await == LeaseState::Lost {
                    break;
                }
            }
            if self.is_held || self.gave_up || self.stop.is_cancelled() {
                break;
            }
            match self.context.queue.more(self.grant, self.context.options.jobs_a_claim).await {
                More::Jobs(more) => jobs = more,
                More::Wait(rest) if rest <= self.context.options.keep_idle => tokio::time::sleep(rest).await,
                More::Empty if self.open.is_some() && keeps_idle(&mut idle_since, self.context.options.keep_idle) => {
                    tokio::time::sleep(self.context.options.keep_idle / 20).await;
                }
                More::Wait(_) | More::Empty | More::Close(_) => break,
            }
        }
        if let Some(open) = self.open.take() {
            // QUIT is a courtesy: its reply changes nothing, and nobody waits for it.
            tokio::spawn(open.connection.quit());
        }
    }

    async fn work_off(&mut self, jobs: Vec<Job>) -> LeaseState {
        let _busy = self.context.recorder.enter();
        let ids = jobs.iter().map(|job| DeliveryId(job.delivery)).collect();
        let work = match self.context.store.load_work(ids).await {
            Ok(work) => work,
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be read; the jobs go back");
                tokio::time::sleep(Duration::from_secs(1)).await;
                return self.settle(jobs.into_iter().map(|job| (job, Settle::Release)).collect()).await;
            }
        };
        let work: Arc<[Work]> = work.into();
        let mut ahead = Ahead::of(Arc::clone(self.context), Arc::clone(&work));
        self.gives_back = self.is_held;
        let mut settled = Vec::with_capacity(jobs.len());
        for job in jobs {
            if self.is_lost.load(Ordering::Relaxed) {
                return LeaseState::Lost;
            }
            // A row that moved on since its job was made, or took another route, needs no attempt.
            let found =
                work.iter().find(|w| w.delivery.0 == job.delivery && w.attempt == job.attempt && self.is_here(w));
            let settle = match found {
                Some(work) if self.gives_back || self.stop.is_cancelled() || self.is_barred(work) => Settle::Release,
                Some(work) => self.deliver(work, &mut ahead).await,
                None => Settle::Void,
            };
            settled.push((job, settle));
        }
        self.settle(settled).await
    }

    /// The row leaves by the route whose jobs these are.
    fn is_here(&self, work: &Work) -> bool {
        Destination::of(&self.grant.shard.name).route().is_none_or(|route| work.route == Some(RouteId(route)))
    }

    fn is_barred(&mut self, work: &Work) -> bool {
        self.gave_up |= work.route.is_some_and(|route| !self.context.watch.may_send(route));
        self.gave_up
    }

    async fn settle(&self, settled: Vec<(Job, Settle)>) -> LeaseState {
        self.context.queue.settle(self.grant, &settled).await
    }

    /// One attempt for one delivery, recorded.
    #[tracing::instrument(level = "debug", skip_all, fields(campaign = work.campaign.0, delivery = work.delivery.0, attempt = work.attempt, provider = &*work.provider, route = work.route.map(|r| r.0)))]
    async fn deliver(&mut self, work: &Work, ahead: &mut Ahead) -> Settle {
        let at = now();
        let began = Instant::now();
        let (outcome, intent) = self.attempt(work, ahead).await;
        self.context.stats.attempts.fetch_add(1, Ordering::Relaxed);
        let intent_committed = match intent {
            Some(IntentAnswer::Go) => true,
            // Withdrawn: the row was moved by the commit itself, or is to stay.
            Some(IntentAnswer::Paused) => return Settle::Release,
            Some(_) => return Settle::Done,
            None => false,
        };
        if !intent_committed && matches!(outcome, Outcome::Broken { problem: Problem::Withdrawn, .. }) {
            return Settle::Release;
        }
        if let Some(settle) = self.route_fault(work, &outcome).await {
            return settle;
        }
        let attempt = Attempt { at, duration: began.elapsed(), peer: self.peer.take(), outcome };
        let retry = (self.context.options.retry)(work.lane);
        let longest_hold = self.context.options.longest_hold;
        let rules = &self.context.book.current().rules;
        let bench = Bench { work, retry: &retry, rules, longest_hold, now: now(), jitter: rand::random() };
        let judgement = judge(&bench, &attempt);
        if let Some(record) = &judgement.record {
            self.context.stats.metrics.attempted(&work.provider, record.settled, attempt.duration);
        }
        tracing::debug!(
            campaign = work.campaign.0,
            delivery = work.delivery.0,
            attempt = work.attempt,
            provider = &*work.provider,
            settled = ?judgement.record.as_ref().map(|record| record.settled),
            "an attempt ended"
        );
        self.follow(work, judgement).await
    }

    /// What the outcome says of the route. A relay's fault is nobody's attempt: the row stays queued. `None`: it is about the message.
    async fn route_fault(&mut self, work: &Work, outcome: &Outcome) -> Option<Settle> {
        let route = self.context.watch.route(work.route?)?;
        let unconnected = matches!(outcome, Outcome::Broken { phase: Phase::Connect, .. });
        if unconnected && route.has_source() && !self.context.watch.look_at_source(route.id) {
            self.gave_up = true;
            return Some(Settle::Release);
        }
        let fault = fault_of(&route, work, outcome)?;
        let why = words_of(outcome);
        self.context.route_failed(&route, fault, &why).await;
        if route.kind == RouteKind::Direct {
            return None;
        }
        self.rest(why).await;
        self.gave_up = true;
        Some(Settle::Release)
    }

    async fn follow(&mut self, work: &Work, judgement: Judgement) -> Settle {
        if let Some(verdict) = &judgement.verdict
            && (verdict.knob.is_some() || verdict.hold.is_some())
        {
            let why =
                judgement.record.as_ref().and_then(|r| r.reply.as_ref()).map_or_else(String::new, |r| r.text.clone());
            self.gives_back |= verdict.hold.is_some();
            self.is_held |= verdict.hold.is_some() && verdict.key != PaceKey::SendingDomain;
            pace::obey(self.context, &self.grant.shard, work, verdict, &why).await;
        }
        let Some(record) = judgement.record else { return Settle::Release };
        if judgement.verdict.is_some_and(|v| v.pause_campaign) && work.kind == DeliveryKind::Campaign {
            self.pause(work, &record).await;
        }
        self.record(record).await
    }

    /// The sender's own fault would meet every other recipient too: the campaign waits for a person.
    async fn pause(&self, work: &Work, record: &OutcomeRecord) {
        let reply = record.reply.as_ref().map_or("", |r| r.text.as_str());
        let said_so = record.reply.as_ref().is_some_and(|r| r.code.is_some());
        let reason = if said_so {
            format!("{} refuses this campaign for a fault on our side: {reply}", work.provider)
        } else {
            reply.to_owned()
        };
        let workspace = self.context.store.workspace(work.workspace);
        if let Err(error) = workspace.pause(work.campaign, PAUSED_BY, &reason, now()).await {
            tracing::error!(%error, campaign = work.campaign.0, "the campaign could not be paused");
        }
    }

    /// `Done` even when the committer has stopped: then the row is recovery's.
    async fn record(&self, record: OutcomeRecord) -> Settle {
        let (campaign, delivery, attempt) = (record.campaign.0, record.delivery.0, record.attempt);
        if self.context.recorder.outcome(record).await.is_err() {
            tracing::warn!(campaign, delivery, attempt, "an outcome could not be handed over: the process is stopping");
        }
        Settle::Done
    }

    /// The transaction up to its reply, and what the ledger said to the intent if it came that far.
    async fn attempt(&mut self, work: &Work, ahead: &mut Ahead) -> (Outcome, Option<IntentAnswer>) {
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
            open.used = true;
            self.peer = Some(open.connection.peer().clone());
            match open.connection.offer(&envelope, &message.data).await {
                // The peer closed an idle connection: nothing was lost, a new one is opened once.
                Offer::Ended(Outcome::Broken { phase: Phase::Mail, problem: Problem::ConnectionLost, .. })
                    if reused =>
                {
                    self.open = None;
                }
                Offer::Ended(outcome) => {
                    self.drop_if_spent();
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
                if open.connection.is_reusable() {
                    self.open = Some(open);
                }
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
            return Ok(open.used);
        }
        if let Some(old) = self.open.take() {
            tokio::spawn(old.connection.quit());
        }
        let mut last = withdrawn("no host to connect to");
        for spot in spots {
            match self.context.targets.open(&spot).await {
                Ok(connection) => {
                    self.context.route_works(work.route).await;
                    self.open = Some(Open { connection, spot, used: false });
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

    async fn rest(&self, why: String) {
        let rest = REST_AFTER_FAILED_CONNECT.min(self.context.options.longest_hold);
        self.context
            .queue
            .signal(&self.grant.shard, Signal { scope: Scope::Destination, knob: None, hold: Some(rest), why })
            .await;
    }

    fn drop_if_spent(&mut self) {
        if self.open.as_ref().is_some_and(|open| !open.connection.is_reusable()) {
            self.open = None;
        }
    }
}

fn withdrawn(detail: &str) -> Outcome {
    Outcome::Broken { phase: Phase::Body, problem: Problem::Withdrawn, detail: detail.to_owned() }
}
