//! Other people's mail servers: they take messages and write later that they could not deliver them. A report that was not answered with
//! 250 is brought again, and some are brought twice without need, as mail servers do.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_compose::{Keys, TokenKind};
use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::{DeliveryState, Outcome};
use tidings_store::{CampaignId, PeopleFilter, Workspace};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ground::BOUNCE_DOMAIN;

/// One recipient in so many bounces later.
const ONE_IN: usize = 8;
/// One report in so many is brought once more.
const TWICE_ONE_IN: u32 = 4;
/// Reports follow each other so closely.
const REST: Duration = Duration::from_millis(80);
/// Who finds nobody, or finds nobody to write about, looks again after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// A frozen listener takes connections and says nothing.
const PATIENCE: Duration = Duration::from_secs(3);
/// Whoever brought or tried to bring something within this is at work.
const AT_WORK: Duration = Duration::from_secs(4);
/// Deliveries of which one is picked.
const PICKED_FROM: i64 = 50;

pub struct Bouncer {
    shared: Arc<Shared>,
    task: JoinHandle<anyhow::Result<HashMap<i64, usize>>>,
}

struct Shared {
    began: Instant,
    is_over: AtomicBool,
    /// When it last spoke to the listener, or tried to, in milliseconds since it began.
    last_tried_ms: AtomicU64,
}

/// What one bouncer knows.
struct Work {
    workspace: Workspace,
    keys: Arc<Keys>,
    campaigns: Vec<CampaignId>,
    most: usize,
    target: Target,
    session: Session,
    random: StdRng,
    shared: Arc<Shared>,
}

impl Bouncer {
    /// Writes about a part of these campaigns' `recipients` to the listener at this address.
    ///
    /// # Errors
    /// TLS cannot be prepared.
    pub fn start(
        (workspace, keys): (Workspace, Arc<Keys>),
        campaigns: Vec<CampaignId>,
        recipients: usize,
        smtp: SocketAddr,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let is_over = AtomicBool::new(false);
        let shared = Arc::new(Shared { began: Instant::now(), is_over, last_tried_ms: AtomicU64::new(0) });
        let work = Work {
            workspace,
            keys,
            campaigns,
            most: recipients / ONE_IN,
            target: Target { host: smtp.ip().to_string(), addr: smtp, source: None },
            session: Session { tls: TlsPolicy::None, ..Session::new("mx.crash.example", TlsClients::new(&[])?) },
            random: StdRng::seed_from_u64(seed),
            shared: Arc::clone(&shared),
        };
        Ok(Self { shared, task: tokio::spawn(work.run()) })
    }

    #[must_use]
    pub fn is_at_work(&self) -> bool {
        let last = Duration::from_millis(self.shared.last_tried_ms.load(Ordering::Relaxed));
        !last.is_zero() && self.shared.began.elapsed().saturating_sub(last) < AT_WORK
    }

    /// Brings what it has in hand, and says how many reports were answered with 250 for each delivery.
    ///
    /// # Errors
    /// It failed.
    pub async fn end(self) -> anyhow::Result<HashMap<i64, usize>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.task.await.context("bringing bounces")?
    }
}

impl Work {
    async fn run(mut self) -> anyhow::Result<HashMap<i64, usize>> {
        let mut answered = HashMap::new();
        let mut connection = None;
        while !self.shared.is_over.load(Ordering::Relaxed) && answered.len() < self.most {
            let Some(delivery) = self.somebody(&answered.keys().copied().collect()).await else {
                sleep(LOOK_AGAIN_AFTER).await;
                continue;
            };
            let times = if self.random.random_ratio(1, TWICE_ONE_IN) { 2 } else { 1 };
            for _ in 0..times {
                while !self.bring(&mut connection, delivery).await {
                    sleep(LOOK_AGAIN_AFTER).await;
                }
                *answered.entry(delivery).or_default() += 1;
            }
            sleep(REST).await;
        }
        Ok(answered)
    }

    /// A delivery that was accepted, and that nobody wrote about. `None`: there is none now, or the database is away.
    async fn somebody(&mut self, known: &HashSet<i64>) -> Option<i64> {
        let campaign = self.campaigns[self.random.random_range(0..self.campaigns.len())];
        let filter = PeopleFilter { state: Some(DeliveryState::Accepted), ..PeopleFilter::default() };
        let page = timeout(PATIENCE, self.workspace.people(campaign, filter, None, PICKED_FROM)).await.ok()?.ok()?;
        page.people.iter().map(|person| person.id.0).find(|id| !known.contains(id))
    }

    /// `false`: it was not answered with 250; whether it was kept is not known.
    async fn bring(&self, kept: &mut Option<Connection>, delivery: i64) -> bool {
        let tried = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.last_tried_ms.store(tried, Ordering::Relaxed);
        let brought = timeout(PATIENCE, self.bring_once(kept.take(), delivery)).await;
        *kept = brought.ok().flatten();
        kept.is_some()
    }

    /// Gives the connection back when it was answered well.
    async fn bring_once(&self, kept: Option<Connection>, delivery: i64) -> Option<Connection> {
        let mut open = match kept {
            Some(open) => open,
            None => Connection::open(&self.target, &self.session).await.ok()?,
        };
        let path = format!("b-{}@{BOUNCE_DOMAIN}", self.keys.seal(TokenKind::Bounce, delivery));
        let envelope = Envelope { mail_from: "", rcpt_to: &path, smtputf8: false };
        let outcome = match open.offer(&envelope, report(&path).as_bytes()).await {
            Offer::AwaitsDot => open.finish().await,
            Offer::Ended(outcome) => outcome,
        };
        (matches!(outcome, Outcome::Accepted { .. }) && open.is_reusable()).then_some(open)
    }
}

/// A delivery report (RFC 3464) that the recipient does not exist.
fn report(path: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.crash.example (Mail Delivery System)\r\nTo: {path}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nYour message was taken and could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.crash.example\r\n\r\n\
         Final-Recipient: rfc822; person@crash.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n\r\n\
         --b\r\nContent-Type: message/rfc822-headers\r\n\r\nReturn-Path: <{path}>\r\n\r\n--b--\r\n"
    )
}
