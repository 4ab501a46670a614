//! `/health/live` and `/health/ready`. Live says that the process answers; ready says that it can do its work, and names what it
//! cannot. A web process without its queue still has to take unsubscribes, so for it only the database decides; with `?strict` any
//! trouble does, which is for monitors and not for load balancers.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tidings_domain::{ProcessRole, UnixMs};
use tidings_queue::Health;

use super::Ops;
use crate::clock::now;

/// A probe that takes longer is a failed one.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const DISPATCHER_LEASE: &str = "dispatcher";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    /// Something is wrong, and this process can work nevertheless.
    Warn,
    Fail,
}

#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub grade: Grade,
    pub words: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub ready: bool,
    pub role: String,
    pub version: &'static str,
    pub checks: Vec<Check>,
}

pub(super) async fn live() -> HttpResponse {
    plain(StatusCode::OK).json(serde_json::json!({ "live": true, "version": env!("CARGO_PKG_VERSION") }))
}

pub(super) async fn ready(request: HttpRequest, ops: web::Data<Ops>) -> HttpResponse {
    let mut report = ops.report().await;
    if request.query_string().split('&').any(|part| part == "strict") {
        report.ready = report.checks.iter().all(|check| check.grade == Grade::Ok);
    }
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status).json(report)
}

fn plain(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

impl Ops {
    /// What stands in the way of this process's work.
    pub async fn report(&self) -> Report {
        let mut checks = vec![self.database().await, self.queue_check()];
        checks.push(self.dispatcher().await);
        if self.stop.is_cancelled() {
            checks.push(Check { name: "process", grade: Grade::Fail, words: "it is stopping".to_owned() });
        }
        let ready = checks.iter().all(|check| check.grade != Grade::Fail);
        Report { ready, role: self.role.to_string(), version: env!("CARGO_PKG_VERSION"), checks }
    }

    async fn database(&self) -> Check {
        let (grade, words) = match tokio::time::timeout(ANSWER_WITHIN, self.store.ping()).await {
            Ok(Ok(took)) => (Grade::Ok, format!("answers in {:.1} ms", took.as_secs_f64() * 1e3)),
            Ok(Err(error)) => (Grade::Fail, format!("cannot be read: {error}")),
            Err(_) => (Grade::Fail, format!("gave no answer within {} s", ANSWER_WITHIN.as_secs())),
        };
        Check { name: "database", grade, words }
    }

    fn queue_check(&self) -> Check {
        let trouble = if self.role == ProcessRole::Web { Grade::Warn } else { Grade::Fail };
        let (grade, words) = match self.queue.health() {
            Health::Up if self.shares_queue => (Grade::Ok, "Redis answers and takes jobs".to_owned()),
            Health::Up => (Grade::Ok, "in this process".to_owned()),
            Health::Down { since, trouble: kind, why } => {
                (trouble, format!("{kind}, for {} s: {why}", since.as_secs()))
            }
        };
        Check { name: "queue", grade, words }
    }

    /// Never fails a probe: a restart of this process would not bring the dispatcher back.
    async fn dispatcher(&self) -> Check {
        let name = "dispatcher";
        if !self.shares_queue {
            return Check { name, grade: Grade::Ok, words: "in this process".to_owned() };
        }
        let (grade, words) = match self.dispatcher_lease().await {
            Some((holder, true)) => (Grade::Ok, format!("{holder} leads")),
            Some((holder, false)) => (Grade::Warn, format!("{holder} led, and its lease ran out: {START_ONE}")),
            None => (Grade::Warn, format!("none leads: {START_ONE}")),
        };
        Check { name, grade, words }
    }

    /// Who holds the dispatcher's lease, and whether it still runs.
    pub(crate) async fn dispatcher_lease(&self) -> Option<(String, bool)> {
        let asked = tokio::time::timeout(ANSWER_WITHIN, self.store.lease_holder(DISPATCHER_LEASE)).await;
        let lease = asked.ok()?.ok()??;
        let now: UnixMs = now();
        Some((lease.holder, lease.until > now))
    }
}

const START_ONE: &str = "campaigns do not move along until `tidings dispatcher` runs";
