//! One connection slot: works off the jobs of a grant, one message after the other, over as few connections as it can.

mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_domain::{
    Attempt, Cut, DeliveryKind, Destination, Knob, Outcome, PaceKey, Peer, Phase, Problem, RouteKind,
};
use tidings_queue::{Grant, Job, LeaseState, More, Settle};
use tidings_store::{DeliveryId, IntentAnswer, OutcomeRecord, RouteId, Work};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ahead::Ahead;
use super::context::SenderContext;
use super::judge::{Bench, Judgement, judge};
use super::pace;
use crate::now;
use crate::routes::{fault_of, words_of};
use transaction::Open;

/// A message goes out within so long of the claim that it was charged by, or goes back and is charged again: tokens saved up in a slow
/// moment would meet the receiver all at once. Less than the second by which receivers count.
const CHARGE_HOLDS: Duration = Duration::from_millis(250);

/// Who paused a campaign, when the program did.
const PAUSED_BY: &str = "Tidings";

struct Line<'a> {
    context: &'a Arc<SenderContext>,
    grant: &'a Grant,
    stop: &'a CancellationToken,
    open: Option<Open>,
    /// Who the last attempt spoke to, also when the connection is gone.
    peer: Option<Peer>,
    /// Transactions that its connection had begun before the last attempt's.
    carried: u32,
    /// Its route does not get through, or the peer takes no further connection: what is claimed goes back, and another connection, another
    /// route or a later hour takes it.
    gave_up: bool,
    /// The lease ran out under us: what is in flight ends, nothing new begins.
    is_lost: &'a AtomicBool,
    /// The peer asked to be left alone, or nobody answers.
    is_held: bool,
    /// The jobs of this claim that are still in hand go back, instead of each finding out by itself.
    gives_back: bool,
    /// What one message took, of the last claim.
    pace: Duration,
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
        carried: 0,
        gave_up: false,
        is_lost: &is_lost,
        is_held: false,
        gives_back: false,
        pace: Duration::ZERO,
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
        let mut charged = Instant::now();
        loop {
            if !jobs.is_empty() {
                idle_since = None;
                if self.work_off(std::mem::take(&mut jobs), charged).await == LeaseState::Lost {
                    break;
                }
            }
            if self.is_held || self.gave_up || self.stop.is_cancelled() {
                break;
            }
            charged = Instant::now();
            match self.context.queue.more(self.grant, self.jobs_wanted()).await {
                More::Jobs(more) => jobs = more,
                More::Wait(rest) if rest <= self.context.options.keep_idle => tokio::time::sleep(rest).await,
                More::Empty if self.open.is_some() && keeps_idle(&mut idle_since, self.context.options.keep_idle) => {
                    tokio::time::sleep(self.context.options.keep_idle / 20).await;
                }
                More::Wait(_) | More::Empty | More::Close(_) => break,
            }
        }
        self.hang_up().await;
    }

    /// As many as can go out while their charge holds.
    fn jobs_wanted(&self) -> usize {
        let most = self.context.options.jobs_a_claim;
        let pace = self.pace.as_micros().max(1);
        usize::try_from(CHARGE_HOLDS.as_micros() / pace).unwrap_or(most).clamp(1, most)
    }

    async fn work_off(&mut self, jobs: Vec<Job>, charged: Instant) -> LeaseState {
        let began = Instant::now();
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
            // The first goes whatever it waited for, so that a slow machine sends too.
            self.gives_back |= !settled.is_empty() && charged.elapsed() > CHARGE_HOLDS;
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
        let begun = settled.iter().filter(|(_, settle)| *settle != Settle::Release).count();
        self.pace = began.elapsed() / u32::try_from(begun.max(1)).unwrap_or(u32::MAX);
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

    async fn follow(&mut self, work: &Work, mut judgement: Judgement) -> Settle {
        if let Some(verdict) = judgement.verdict.as_mut().filter(|v| v.knob == Some(Knob::MessagesPerConnection)) {
            // What the peer takes on one connection has just been seen, and on this one it takes nothing more.
            if self.carried > 0 && verdict.cut == Cut::default() {
                verdict.cut = Cut::AtMost(self.carried);
            }
            self.hang_up().await;
        }
        if let Some(verdict) = &judgement.verdict
            && (verdict.knob.is_some() || verdict.hold.is_some())
        {
            let why =
                judgement.record.as_ref().and_then(|r| r.reply.as_ref()).map_or_else(String::new, |r| r.text.clone());
            // One connection too many for the peer: this one's slot goes back, and the queue gives none out for a moment.
            self.gave_up |= verdict.knob == Some(Knob::Connections) && self.open.is_none();
            self.gives_back |= verdict.hold.is_some() || self.gave_up;
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
}
