//! Counts of TLS sessions as a report of RFC 8460 §4.4.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use serde::Serialize;
use tidings_domain::{TlsPolicyType, TlsResult, Word};
use tidings_store::TlsSessions;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    organization_name: String,
    date_range: DateRange,
    contact_info: String,
    report_id: String,
    policies: Vec<PolicyReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DateRange {
    start_datetime: String,
    end_datetime: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PolicyReport {
    policy: Policy,
    summary: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_details: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    policy_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy_string: Vec<String>,
    policy_domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mx_host: Vec<String>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Summary {
    total_successful_session_count: i64,
    total_failure_session_count: i64,
}

/// Fields that are not known are left out.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Failure {
    result_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    sending_mta_ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    receiving_mx_hostname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    receiving_ip: String,
    failed_session_count: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure_reason_code: String,
}

/// Who reports.
pub struct Reporter<'a> {
    pub organisation: &'a str,
    pub contact: &'a str,
    /// Makes the report's id the world's own.
    pub host: &'a str,
}

impl Report {
    /// The sessions of one day, in whatever order.
    pub fn of(day: NaiveDate, sessions: Vec<TlsSessions>, by: &Reporter<'_>) -> Self {
        let mut policies: BTreeMap<(String, TlsPolicyType), Vec<TlsSessions>> = BTreeMap::new();
        for row in sessions {
            policies.entry((row.domain.clone(), row.policy)).or_default().push(row);
        }
        Self {
            organization_name: by.organisation.to_owned(),
            date_range: DateRange { start_datetime: at(day, "00:00:00"), end_datetime: at(day, "23:59:59") },
            contact_info: by.contact.to_owned(),
            report_id: format!("{day}@{}", by.host),
            policies: policies
                .into_iter()
                .map(|((domain, policy), rows)| policy_report(domain, policy, rows))
                .collect(),
        }
    }
}

fn at(day: NaiveDate, time: &str) -> String {
    format!("{day}T{time}Z")
}

fn policy_report(policy_domain: String, policy: TlsPolicyType, rows: Vec<TlsSessions>) -> PolicyReport {
    let words = rows.iter().max_by_key(|row| (!row.policy_text.is_empty(), row.last_at_ms));
    let policy_string: Vec<String> =
        words.map(|row| row.policy_text.lines().map(str::to_owned).collect()).unwrap_or_default();
    let named = |line: &String| line.strip_prefix("mx:").map(|host| host.trim().to_owned());
    let mx_host = policy_string.iter().filter_map(named).collect();
    let mut summary = Summary::default();
    let mut failure_details = Vec::new();
    for row in rows {
        match row.result {
            TlsResult::Success => summary.total_successful_session_count += row.n,
            _ => {
                summary.total_failure_session_count += row.n;
                failure_details.push(failure(row));
            }
        }
    }
    let policy = Policy { policy_type: policy.as_str(), policy_string, policy_domain, mx_host };
    PolicyReport { policy, summary, failure_details }
}

fn failure(row: TlsSessions) -> Failure {
    Failure {
        result_type: row.result.as_str(),
        sending_mta_ip: row.sending_ip,
        receiving_mx_hostname: row.mx_host,
        receiving_ip: row.receiving_ip,
        failed_session_count: row.n,
        failure_reason_code: row.detail,
    }
}

/// The day in days since 1970-01-01, as a date and back.
pub fn date(day: i32) -> NaiveDate {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    epoch.checked_add_days(Days::new(u64::try_from(day).unwrap_or(0))).unwrap_or(epoch)
}

pub fn day(date: NaiveDate) -> i32 {
    let days = date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days();
    i32::try_from(days).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(domain: &str, policy: TlsPolicyType, result: TlsResult, n: i64) -> TlsSessions {
        TlsSessions {
            day: 20_000,
            domain: domain.to_owned(),
            policy,
            result,
            mx_host: "mx.acme.example".to_owned(),
            n,
            sending_ip: String::new(),
            receiving_ip: "192.0.2.7".to_owned(),
            policy_text: "version: STSv1\nmode: enforce\nmx: *.acme.example".to_owned(),
            detail: if result == TlsResult::Success { String::new() } else { "expired".to_owned() },
            last_at_ms: 0,
        }
    }

    #[test]
    fn a_report_reads_as_the_rfc_writes_it() {
        let sessions = vec![
            row("acme.example", TlsPolicyType::Sts, TlsResult::CertificateExpired, 3),
            row("acme.example", TlsPolicyType::Sts, TlsResult::Success, 40),
            TlsSessions {
                policy_text: String::new(),
                ..row("b.example", TlsPolicyType::NoPolicyFound, TlsResult::Success, 1)
            },
        ];
        let by = Reporter { organisation: "Acme", contact: "ana@sender.example", host: "mail.sender.example" };
        let report = serde_json::to_value(Report::of(date(20_000), sessions, &by)).expect("JSON");
        let expected = serde_json::json!({
            "organization-name": "Acme",
            "date-range": { "start-datetime": "2024-10-04T00:00:00Z", "end-datetime": "2024-10-04T23:59:59Z" },
            "contact-info": "ana@sender.example",
            "report-id": "2024-10-04@mail.sender.example",
            "policies": [
                {
                    "policy": {
                        "policy-type": "sts",
                        "policy-string": ["version: STSv1", "mode: enforce", "mx: *.acme.example"],
                        "policy-domain": "acme.example",
                        "mx-host": ["*.acme.example"],
                    },
                    "summary": { "total-successful-session-count": 40, "total-failure-session-count": 3 },
                    "failure-details": [{
                        "result-type": "certificate-expired",
                        "receiving-mx-hostname": "mx.acme.example",
                        "receiving-ip": "192.0.2.7",
                        "failed-session-count": 3,
                        "failure-reason-code": "expired",
                    }],
                },
                {
                    "policy": { "policy-type": "no-policy-found", "policy-domain": "b.example" },
                    "summary": { "total-successful-session-count": 1, "total-failure-session-count": 0 },
                },
            ],
        });
        assert_eq!(report, expected);
    }

    #[test]
    fn days_and_dates_are_the_same() {
        for n in [0, 1, 20_000] {
            assert_eq!(day(date(n)), n);
        }
    }
}
