//! What came back: a bounce of the campaign, and a report that is not ours. And what a person ordered for what is unsent.

use tidings_domain::{BounceClass, DeliveryState, ReportKind};
use tidings_store::{DeliveryId, Finding, LateNews, NewReport, QueuedJob};

use super::Scene;

const RAW: &str =
    "From: MAILER-DAEMON@mx.gmail.example\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\nI'm sorry.\r\n";

impl Scene {
    pub(super) async fn reports(&self, sent: &[QueuedJob]) -> anyhow::Result<()> {
        self.report(Some(sent[0].delivery), "550 5.1.1 <reader1@gmail.example>: User unknown").await?;
        self.report(None, "550 5.1.1 <who@elsewhere.example>: User unknown").await
    }

    async fn report(&self, delivery: Option<DeliveryId>, text: &str) -> anyhow::Result<()> {
        let report = NewReport {
            received_at: self.now,
            source: "smtp".into(),
            source_name: "198.51.100.25".into(),
            dedup_key: None,
            mail_from: String::new(),
            rcpt_to: "b-token@bounces.harbour.example".into(),
            size_bytes: 2_345,
            raw: RAW.into(),
            workspace: None,
        };
        self.store.keep_reports(vec![report]).await?;
        let read = self.store.begin_reading(10, self.now).await?;
        let finding = |id| Finding {
            report: id,
            delivery,
            kind: ReportKind::Bounce,
            what: LateNews::Bounce { class: BounceClass::BadAddress, end: DeliveryState::HardBounced },
            rule: "text:no-such-user".into(),
            text: text.into(),
            text_key: text.to_lowercase(),
            source: "bounce mail".into(),
            recipient: "who@elsewhere.example".into(),
        };
        let findings = read.iter().map(|report| finding(report.id)).collect();
        self.store.settle_reports(findings, self.now).await?;
        Ok(())
    }

    /// Nobody works it off here, so it stays under way.
    pub(super) async fn orders(&self) -> anyhow::Result<()> {
        let one = [("act", "hold"), ("campaign", "1"), ("provider", "mx:hoster.example"), ("reason", "")];
        self.press("/unsent/orders", &one).await
    }
}
