//! One campaign on its way: accepted, put off, held, given up, in doubt, and in the queue.

use std::time::Duration;

use anyhow::ensure;
use tidings_domain::{CampaignTransition, EmailAddress, Protection, TlsDemand, TlsUse, TlsVersion, UnixMs};
use tidings_store::{
    AttemptFacts, CampaignDetails, CampaignId, FrozenContent, Intent, Launch, Launched, LedgerBatch, ListId,
    NewCampaign, NewSubscriber, OutcomeRecord, QueuedJob, ReplyRecord, RouteId, Settled,
};

use super::Scene;

/// Domains of the recipients, and who operates their mailboxes.
const DOMAINS: [(&str, &str); 4] = [
    ("gmail.example", "google"),
    ("outlook.example", "ms-consumer"),
    ("yahoo.example", "yahoo"),
    ("postbox.example", "mx:hoster.example"),
];
/// At each domain.
const PEOPLE: usize = 12;

const GREYLISTED: &str = "451 4.7.1 Greylisted, please try again in 300 seconds";
const SLOW_DOWN: &str = "421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints; see https://postmaster.example/error-codes";
const FULL: &str = "552 5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.example/mail/?p=OverQuotaPerm";
const CONTENT: &str = "550 5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent, this message has been blocked";

impl Scene {
    pub(super) async fn campaign(&self) -> anyhow::Result<Vec<QueuedJob>> {
        let list = self.people().await?;
        let details = CampaignDetails {
            name: "Autumn letter".into(),
            from_name: "Harbour Shop".into(),
            from_email: "news@harbour.example".into(),
            subject: "Autumn is here".into(),
            ..CampaignDetails::default()
        };
        let new = NewCampaign { details, ..NewCampaign::default() };
        let id = self.data.create_campaign(new, "Ana Silva", self.now).await?;
        self.data.save_recipients(id, 1, vec![list], vec![], "Ana Silva", self.now).await?;
        let content = FrozenContent {
            subject: "Autumn is here".into(),
            from_email: "news@harbour.example".into(),
            html: "<p>Hello</p>".into(),
            links: "[]".into(),
            ..FrozenContent::default()
        };
        let launch = Launch { content, route: None, expected_version: 2, by: "Ana Silva".into() };
        let launched = self.data.launch(id, launch, self.ago(2 * UnixMs::HOUR)).await?;
        ensure!(matches!(launched, Launched::Yes { .. }), "{launched:?}");
        let jobs = self.queued(id).await?;
        self.store.apply(id, CampaignTransition::StartSending, self.ago(UnixMs::HOUR)).await?;
        self.sent(&jobs).await?;
        Ok(jobs)
    }

    async fn people(&self) -> anyhow::Result<ListId> {
        let list = self.data.create_list("Newsletter".into(), "Once a month".into(), self.now).await?;
        for (domain, _) in DOMAINS {
            for n in 1..=PEOPLE {
                let person = NewSubscriber {
                    email: EmailAddress::parse(&format!("reader{n}@{domain}"))?,
                    first_name: format!("Reader {n}"),
                    last_name: "Silva".into(),
                    lists: vec![list],
                    source: "Sign-up form".into(),
                };
                self.data.add_subscriber(person, self.now).await?;
            }
        }
        Ok(list)
    }

    async fn queued(&self, id: CampaignId) -> anyhow::Result<Vec<QueuedJob>> {
        let at = self.ago(2 * UnixMs::HOUR);
        self.store.fan_out(id, 1_000, at).await?;
        let found = DOMAINS.iter().map(|(domain, provider)| ((*domain).to_owned(), (*provider).to_owned())).collect();
        self.store.save_domain_providers(found, UnixMs(self.now.0 + UnixMs::DAY)).await?;
        let mut jobs = self.store.queue_pending(id, 1_000, at).await?;
        self.store.apply(id, CampaignTransition::FinishQueuing, at).await?;
        jobs.sort_by_key(|job| job.delivery);
        ensure!(jobs.len() == DOMAINS.len() * PEOPLE, "{} jobs", jobs.len());
        Ok(jobs)
    }

    /// The first of each domain are accepted, the last wait in the queue, and each domain has a trouble of its own.
    async fn sent(&self, jobs: &[QueuedJob]) -> anyhow::Result<()> {
        let soon = Settled::Deferred { until: UnixMs(self.now.0 + 5 * UnixMs::MINUTE), costs_attempt: true };
        let later = Settled::Deferred { until: UnixMs(self.now.0 + 2 * UnixMs::HOUR), costs_attempt: false };
        let mut outcomes = Vec::new();
        for (at_domain, trouble) in jobs.chunks(PEOPLE).zip([
            ("mailbox_full", Settled::SoftBounced, FULL),
            ("content_blocked", Settled::Failed, CONTENT),
            ("throttled", later, SLOW_DOWN),
            ("greylist", soon, GREYLISTED),
        ]) {
            outcomes
                .extend(at_domain[..4].iter().map(|job| self.outcome(job, None, Settled::Accepted, "250 2.0.0 OK")));
            let (class, settled, reply) = trouble;
            outcomes.extend(at_domain[4..7].iter().map(|job| self.outcome(job, Some(class), settled, reply)));
        }
        let doubtful = &jobs[7];
        let handed_over = jobs.chunks(PEOPLE).flat_map(|at_domain| &at_domain[..4]).chain([doubtful]);
        let intent = |job: &QueuedJob| Intent { delivery: job.delivery, campaign: job.campaign, attempt: job.attempt };
        let intents = handed_over.map(intent).collect();
        self.store.commit(LedgerBatch { intents, outcomes: Vec::new() }, self.ago(UnixMs::HOUR)).await?;
        outcomes.push(self.outcome(doubtful, Some("network"), Settled::InDoubt, "The connection broke"));
        self.store.commit(LedgerBatch { intents: Vec::new(), outcomes }, self.ago(20 * UnixMs::MINUTE)).await?;
        Ok(())
    }

    fn outcome(&self, job: &QueuedJob, class: Option<&str>, settled: Settled, reply: &str) -> OutcomeRecord {
        let code = reply.get(..3).and_then(|code| code.parse().ok());
        let facts = AttemptFacts {
            at: self.ago(20 * UnixMs::MINUTE),
            duration: Duration::from_millis(840),
            host: "mx1.mailboxes.example".into(),
            ip: "198.51.100.25".into(),
            tls: "TLS 1.3".into(),
            phase: "rcpt".into(),
        };
        OutcomeRecord {
            delivery: job.delivery,
            campaign: job.campaign,
            attempt: job.attempt,
            settled,
            reason: class.map(str::to_owned),
            meaning: None,
            reply: Some(ReplyRecord {
                code,
                enhanced: code.and(reply.split(' ').nth(1)).map(str::to_owned),
                text: reply.to_owned(),
                key: reply.to_lowercase(),
            }),
            route: Some(RouteId(1)),
            protection: Some(Protection {
                demand: TlsDemand::Opportunistic,
                used: TlsUse::Verified { version: TlsVersion::V1_3 },
            }),
            facts: class.is_some().then_some(facts),
        }
    }
}
