//! What comes back after the acceptance: bounces, complaints, requests to be left alone. Each moves its row once and marks one person;
//! the same news again changes nothing. It is written in the transaction that ends the report which brought it, so that a kill at any
//! point repeats nothing.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use tidings_domain::{BounceClass, DeliveryState, ReportEffect, ReportKind, SubscriberStatus, UnixMs, Word};

use super::attempts::{self, Grouped};
use super::campaign;
use super::marks::{self, Evidence, RuleBook};
use super::outcomes::{Facts, facts_of_all};
use super::step::Step;
use super::sums::Sums;
use crate::reports::{set_aside, state_of, wait};
use crate::schema::{deliveries, reports};
use crate::text::storable;
use crate::{AnyConn, CampaignId, DeliveryId, Leaving, ReportId, Store, StoreResult, bounce_rules, unsubscribe};

/// A bounce that comes so long after its delivery's end is a replay or a mistake: mail servers give up within five days.
const BELIEVED_FOR_MS: i64 = 30 * UnixMs::DAY;
/// A report whose delivery is still on its way waits so long for it at the most.
const WAITS_AT_MOST_MS: i64 = UnixMs::DAY;

/// What a report was found to say. The delivery is proven by its token; the rest is the reporter's word.
#[derive(Debug, Clone)]
pub struct Finding {
    pub report: ReportId,
    /// `None`: no token of ours is in it.
    pub delivery: Option<DeliveryId>,
    pub kind: ReportKind,
    pub what: LateNews,
    /// Which rule made it so.
    pub rule: String,
    /// The remote server's words, or the report's.
    pub text: String,
    /// The words normalised.
    pub text_key: String,
    /// As it is named in the suppression: "bounce mail", "feedback report", "SendGrid".
    pub source: String,
    /// Whom it says it is about: kept for people when no delivery is proven.
    pub recipient: String,
}

/// What follows for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateNews {
    /// It did not arrive, and nobody tries any more. `end`: one of the bounces' states.
    Bounce {
        class: BounceClass,
        end: DeliveryState,
    },
    Complaint,
    Unsubscribe,
    /// Information only.
    Nothing,
}

impl Store {
    /// Ends reports, each with all that follows, in one transaction: rows, counters, subscribers, suppressions, and the reports
    /// themselves. Returns what followed from each, in the given order; `None` when its delivery has not ended yet and it waits.
    ///
    /// # Errors
    /// The transaction could not be committed; nothing of it holds, and the reports are still to be read.
    pub async fn settle_reports(&self, findings: Vec<Finding>, now: UnixMs) -> StoreResult<Vec<Option<ReportEffect>>> {
        self.write_again(move |conn| settle(conn, &findings, now)).await
    }
}

fn settle(conn: &mut AnyConn, findings: &[Finding], now: UnixMs) -> StoreResult<Vec<Option<ReportEffect>>> {
    let named: BTreeSet<DeliveryId> = findings.iter().filter_map(|f| f.delivery).collect();
    lock_campaigns(conn, &named)?;
    let mut facts = facts_of_all(conn, &named)?;
    let mut work = Work { sums: Sums::default(), book: RuleBook::default(), now };
    // In the deliveries' order, as every other transaction takes its locks.
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|i| (findings[*i].delivery, findings[*i].report));
    let mut effects = vec![None; findings.len()];
    for i in order {
        let finding = &findings[i];
        let fact = finding.delivery.and_then(|id| facts.get_mut(&id));
        effects[i] = work.end(conn, finding, fact)?;
    }
    work.sums.write(conn, now)?;
    Ok(effects)
}

/// Campaigns first: the order of all locks, see the ledger's own documentation.
fn lock_campaigns(conn: &mut AnyConn, named: &BTreeSet<DeliveryId>) -> StoreResult<()> {
    let campaigns: BTreeSet<CampaignId> = deliveries::table
        .filter(deliveries::id.eq_any(named))
        .select(deliveries::campaign_id)
        .load(conn)?
        .into_iter()
        .collect();
    campaigns.into_iter().try_for_each(|id| campaign::lock(conn, id).map(drop))
}

struct Work {
    sums: Sums,
    book: RuleBook,
    now: UnixMs,
}

impl Work {
    fn end(
        &mut self,
        conn: &mut AnyConn,
        finding: &Finding,
        fact: Option<&mut Facts>,
    ) -> StoreResult<Option<ReportEffect>> {
        let Some((state, owner)) = state_of(conn, finding.report)? else { return Ok(Some(ReportEffect::Gone)) };
        if state == "done" {
            // Another process was faster.
            return Ok(Some(ReportEffect::Known));
        }
        let mut finding = finding.clone();
        // What is posted to one workspace's webhook says nothing of another's mail, whatever token stands in it.
        let is_foreign = fact.as_ref().is_some_and(|fact| owner.is_some_and(|owner| owner != fact.workspace));
        if is_foreign {
            finding.delivery = None;
        }
        let Some(fact) = fact.filter(|_| !is_foreign) else {
            let effect = if finding.delivery.is_some() { ReportEffect::Gone } else { nobodys(&finding) };
            write_end(conn, &finding, None, effect, self.now)?;
            return Ok(Some(effect));
        };
        self.apply_label(conn, &mut finding, fact)?;
        if state == "again" {
            self.take_back(conn, &finding, fact)?;
        }
        if self.is_early(conn, &finding, fact)? {
            wait(conn, finding.report, self.now)?;
            return Ok(None);
        }
        let effect = self.follow(conn, &finding, fact)?;
        write_end(conn, &finding, Some(fact), effect, self.now)?;
        Ok(Some(effect))
    }

    /// A person said what this text means, which no rule knew.
    fn apply_label(&self, conn: &mut AnyConn, finding: &mut Finding, fact: &Facts) -> StoreResult<()> {
        let LateNews::Bounce { class: BounceClass::Undetermined, .. } = finding.what else { return Ok(()) };
        if let Some(class) = bounce_rules::label(conn, fact.workspace, &finding.text_key)? {
            finding.what = LateNews::Bounce { class, end: class.end() };
            "label".clone_into(&mut finding.rule);
        }
        Ok(())
    }

    /// The bounce overtook the outcome that says that there was something to bounce.
    fn is_early(&self, conn: &mut AnyConn, finding: &Finding, fact: &Facts) -> StoreResult<bool> {
        if fact.state.0 != DeliveryState::Sending || !matches!(finding.what, LateNews::Bounce { .. }) {
            return Ok(false);
        }
        let received: i64 = reports::table.find(finding.report.0).select(reports::received_at_ms).first(conn)?;
        Ok(self.now.0 - received < WAITS_AT_MOST_MS)
    }

    fn follow(&mut self, conn: &mut AnyConn, finding: &Finding, fact: &mut Facts) -> StoreResult<ReportEffect> {
        match finding.what {
            LateNews::Nothing => Ok(ReportEffect::Nothing),
            LateNews::Bounce { class, end } => self.bounce(conn, finding, fact, (class, end)),
            _ if !fact.is_counted() => Ok(ReportEffect::Test),
            LateNews::Complaint => self.complain(conn, finding, fact),
            LateNews::Unsubscribe => {
                unsubscribe::leave_by(conn, fact.id, Leaving::Lists, &finding.source, self.now)?;
                Ok(ReportEffect::Unsubscribed)
            }
        }
    }

    fn bounce(
        &mut self,
        conn: &mut AnyConn,
        finding: &Finding,
        fact: &mut Facts,
        (class, end): (BounceClass, DeliveryState),
    ) -> StoreResult<ReportEffect> {
        let state = fact.state.0;
        let step = Step::new(state, end).filter(|_| matches!(state, DeliveryState::Accepted | DeliveryState::InDoubt));
        let Some(step) = step else { return Ok(ReportEffect::Known) };
        if self.now.0 - fact.updated_at > BELIEVED_FOR_MS {
            return Ok(ReportEffect::TooLate);
        }
        if !fact.is_counted() {
            self.move_row(conn, finding, fact, step, class.as_str())?;
            return Ok(ReportEffect::Test);
        }
        fact.group = Some(attempts::add_to_group(conn, &grouped(finding, fact, class), self.now)?);
        self.move_row(conn, finding, fact, step, class.as_str())?;
        let rules = self.book.of(conn, fact.workspace)?;
        let why = Evidence { source: &finding.source, text: &finding.text };
        marks::follow(conn, fact, rules.action_at_end(end, class), rules, &why, self.now)
    }

    /// Whatever became of the message: who complains is left alone from now on.
    fn complain(&mut self, conn: &mut AnyConn, finding: &Finding, fact: &mut Facts) -> StoreResult<ReportEffect> {
        let step = Step::new(fact.state.0, DeliveryState::Complained);
        if let Some(step) = step {
            self.move_row(conn, finding, fact, step, "complaint")?;
        }
        unsubscribe::leave_by(conn, fact.id, Leaving::Lists, &finding.source, self.now)?;
        if let Some(id) = fact.subscriber {
            marks::mark(conn, id, SubscriberStatus::Complained, self.now)?;
        }
        let why = Evidence { source: &finding.source, text: &finding.text };
        marks::suppress(conn, fact, "complaint", &why, self.now)?;
        Ok(if step.is_some() { ReportEffect::Complained } else { ReportEffect::Known })
    }

    /// The reply that stands in the row was the acceptance; what came back is what a person wants to read.
    fn move_row(
        &mut self,
        conn: &mut AnyConn,
        finding: &Finding,
        fact: &mut Facts,
        step: Step,
        reason: &str,
    ) -> StoreResult<()> {
        let was: Option<String> = match step.from().is_bounce() {
            true => deliveries::table.find(fact.id).select(deliveries::reason).first(conn)?,
            false => None,
        };
        let group = fact.group.filter(|_| step.to().is_bounce());
        diesel::update(deliveries::table.find(fact.id).filter(deliveries::state.eq(step.from().code())))
            .set((
                deliveries::state.eq(step.to().code()),
                deliveries::reply_group_id.eq(group),
                deliveries::reason.eq(reason),
                deliveries::reply.eq(storable(&finding.text)),
                deliveries::updated_at_ms.eq(self.now.0),
            ))
            .execute(conn)?;
        if fact.is_counted() {
            self.sums.deltas.end(fact.owner(), step, was.as_deref(), Some(reason));
        }
        self.sums.routes.late(fact, step.to(), Some(reason));
        fact.state.0 = step.to();
        fact.group = group;
        // A report that is read again is judged by when it was first believed, not by how long ago that was.
        fact.updated_at = self.now.0;
        Ok(())
    }

    /// A report is read again: its delivery and its subscriber stand as before it, and it is news once more.
    fn take_back(&mut self, conn: &mut AnyConn, finding: &Finding, fact: &mut Facts) -> StoreResult<()> {
        let before: String = reports::table.find(finding.report.0).select(reports::effect).first(conn)?;
        let Ok(effect) = ReportEffect::parse(&before) else { return Ok(()) };
        use ReportEffect as E;
        if !matches!(effect, E::Suppressed | E::OnHold | E::Counted | E::Doubted | E::Recorded | E::Test) {
            return Ok(());
        }
        marks::take_back(conn, fact, effect, self.now)?;
        if let Some(step) = Step::correct(fact.state.0) {
            self.move_row(conn, finding, fact, step, "")?;
        }
        Ok(())
    }
}

/// Who brings news without a token of ours is a stranger; mail without news is nobody's either.
fn nobodys(finding: &Finding) -> ReportEffect {
    match finding.what {
        LateNews::Nothing => ReportEffect::Nothing,
        _ => ReportEffect::NotOurs,
    }
}

fn grouped<'a>(finding: &'a Finding, fact: &Facts, class: BounceClass) -> Grouped<'a> {
    Grouped {
        owner: fact.owner(),
        key: if finding.text_key.is_empty() { &finding.text } else { &finding.text_key },
        class: class.as_str(),
        code: None,
        enhanced: None,
        sample: &finding.text,
        n: 1,
    }
}

fn write_end(
    conn: &mut AnyConn,
    finding: &Finding,
    fact: Option<&Facts>,
    effect: ReportEffect,
    now: UnixMs,
) -> StoreResult<()> {
    let class = match finding.what {
        LateNews::Bounce { class, .. } => class.as_str(),
        _ => "",
    };
    let facts = (
        reports::delivery_id.eq(finding.delivery),
        reports::campaign_id.eq(fact.map(|f| f.campaign)),
        reports::subscriber_id.eq(fact.and_then(|f| f.subscriber)),
        reports::provider_id.eq(fact.map_or(0, |f| f.provider.0)),
        reports::recipient.eq(fact.map_or(finding.recipient.as_str(), |f| &f.recipient)),
    );
    let said = (
        reports::kind.eq(finding.kind.as_str()),
        reports::class.eq(class),
        reports::rule.eq(&finding.rule),
        reports::words.eq(storable(&finding.text)),
        reports::text_key.eq(storable(&finding.text_key)),
        reports::effect.eq(effect.as_str()),
        reports::state.eq("done"),
        reports::settled_at_ms.eq(now.0),
    );
    let row = reports::table.find(finding.report.0);
    diesel::update(row).set((facts, said)).execute(conn)?;
    if let Some(fact) = fact {
        diesel::update(row).set(reports::workspace_id.eq(fact.workspace)).execute(conn)?;
    }
    Ok(())
}

impl Store {
    /// The batch was refused for what stands in it: ends one report at a time, and sets aside what is refused alone too.
    ///
    /// # Errors
    /// The database cannot be written at all.
    pub async fn settle_one_by_one(&self, findings: Vec<Finding>, now: UnixMs) -> StoreResult<()> {
        for finding in findings {
            let id = finding.report;
            match self.settle_reports(vec![finding], now).await {
                Err(error) if error.is_about_content() => {
                    let words = error.to_string();
                    self.write(move |conn| set_aside(conn, id, &words, now)).await?;
                }
                other => drop(other?),
            }
        }
        Ok(())
    }
}

/// The rows by id.
pub(super) type FactsById = BTreeMap<DeliveryId, Facts>;
