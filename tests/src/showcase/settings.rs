//! Domains with keys in each state, TLS sessions, a webhook, a suppression.

use tidings_domain::{Judged, RecordKind, RecordState, TlsPolicyType, TlsResult, UnixMs, dkim_host};
use tidings_store::{CheckedRecord, DomainCheck, KeySeen, SendingDomainId, TlsSessions, day_of};

use super::Scene;

impl Scene {
    pub(super) async fn settings(&self) -> anyhow::Result<()> {
        for name in ["harbour.example", "old.harbour.example", "shop.example"] {
            self.press("/settings/domains", &[("name", name)]).await?;
        }
        let ids: Vec<SendingDomainId> = self.data.sending_domains().await?.iter().map(|domain| domain.id).collect();
        self.looked(ids[0], KeySeen::Published).await?;
        self.press(&format!("/settings/domains/{}/rotate", ids[0]), &[]).await?;
        self.looked(ids[1], KeySeen::Published).await?;
        self.looked(ids[1], KeySeen::Withdrawn).await?;
        self.tls().await?;
        let hook = [("service", "postmark"), ("name", "Main account"), ("key", "tidings:sesame1234")];
        self.press("/settings/webhooks", &hook).await?;
        self.press("/transport/required", &[("domain", "bank.example"), ("verified", "yes")]).await?;
        let entries = [("value", "rival.example\nabuse*@*"), ("reason", "blocklist"), ("scope", "all")];
        self.press("/suppressions", &entries).await
    }

    async fn looked(&self, domain: SendingDomainId, seen: KeySeen) -> anyhow::Result<()> {
        let details = self.data.sending_domain(domain).await?;
        let name = details.domain.name;
        let record = |kind, host: String, expected: &str, state, detail: &str, found: &str| CheckedRecord {
            kind,
            host,
            expected: expected.into(),
            judged: Judged { state, detail: detail.into() },
            found: found.into(),
        };
        let spf = "v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 -all";
        let mut records = vec![
            record(
                RecordKind::Spf,
                format!("bounces.{name}"),
                spf,
                RecordState::Wrong,
                "192.0.2.11 may not send.",
                "v=spf1 ip4:192.0.2.10 -all",
            ),
            record(
                RecordKind::BounceMx,
                format!("bounces.{name}"),
                "10 mail1.harbour.example",
                RecordState::Good,
                "",
                "10 mail1.harbour.example",
            ),
            record(RecordKind::Dmarc, format!("_dmarc.{name}"), "v=DMARC1; p=none", RecordState::Missing, "", ""),
        ];
        let state = if seen == KeySeen::Published { RecordState::Good } else { RecordState::Missing };
        for key in &details.keys {
            let host = dkim_host(&key.selector, &name);
            records.push(record(RecordKind::Dkim, host, "", state, "", ""));
        }
        let keys = details.keys.iter().map(|key| (key.id, seen)).collect();
        let next_check_at = UnixMs(self.now.0 + UnixMs::DAY);
        let check = DomainCheck { domain, records, keys, began_at: self.now, next_check_at };
        self.store.settle_domain_check(check, self.now).await?;
        Ok(())
    }

    async fn tls(&self) -> anyhow::Result<()> {
        let row = |domain: &str, policy, result, n, detail: &str| TlsSessions {
            day: day_of(self.now),
            domain: domain.to_owned(),
            policy,
            result,
            mx_host: format!("mx1.mail.{domain}"),
            n,
            sending_ip: "192.0.2.10".into(),
            receiving_ip: "198.51.100.25".into(),
            policy_text: String::new(),
            detail: detail.to_owned(),
            last_at_ms: self.now.0,
        };
        let expired =
            "certificate expired: verification time 1795426445 (UNIX), but certificate is not valid after 1795340045";
        let sessions = vec![
            row("gmail.example", TlsPolicyType::Sts, TlsResult::Success, 12_840, ""),
            row("postbox.example", TlsPolicyType::NoPolicyFound, TlsResult::Success, 311, ""),
            row(
                "postbox.example",
                TlsPolicyType::NoPolicyFound,
                TlsResult::StartTlsNotSupported,
                4,
                "STARTTLS is not offered",
            ),
            row("bank.example", TlsPolicyType::Sts, TlsResult::CertificateExpired, 7, expired),
        ];
        Ok(self.store.add_tls_sessions(sessions).await?)
    }
}
