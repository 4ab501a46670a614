//! `tidings bench intake`: bounces by SMTP into a process that may be killed at any moment. What was answered with 250 must be there.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_compose::{Keys, TokenKind};
use tidings_delivery::{Connection, Envelope, Offer, Session, Target, TlsClients, TlsPolicy};
use tidings_domain::Outcome;
use tidings_store::{ReportId, Store, StoreOptions};

use super::served::{BOUNCE_DOMAIN, Served};
use crate::instance::Instance;

/// Reports of one page, when they are compared.
const PAGE_REPORTS: i64 = 1_000;
const READ_WITHIN: Duration = Duration::from_secs(900);
/// A client that finds nobody tries again so soon.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct IntakeArguments {
    /// Mails to bring in.
    #[arg(long, default_value_t = 20_000)]
    mails: u32,
    /// SMTP connections at one time.
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// How often the process is ended with SIGKILL meanwhile.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Decides when; printed, so that a failure can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// A PostgreSQL database, empty and its own. Without it: SQLite.
    #[arg(long)]
    database: Option<String>,
}

pub async fn run(arguments: IntakeArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let mut served = Served::start(folder.path(), arguments.database.as_deref()).await?;
    let keys = Keys::new(&Instance::share(folder.path(), None)?.key);
    let work = Arc::new(Work { keys, next: AtomicU32::new(0), mails: arguments.mails, over: AtomicBool::new(false) });
    let began = Instant::now();
    let clients: Vec<_> = (0..arguments.connections)
        .map(|_| {
            let (work, smtp) = (Arc::clone(&work), served.smtp);
            tokio::spawn(async move { work.bring(smtp).await })
        })
        .collect();
    kill(&mut served, &arguments, &work).await?;
    let mut answered = HashSet::new();
    for client in clients {
        answered.extend(client.await.context("a client")??);
    }
    let took = began.elapsed();
    let url = Served::database_url(folder.path(), arguments.database.as_deref());
    let store = Store::open(&url, StoreOptions::default()).await?;
    wait_until_read(&store).await?;
    let peak = served.peak_memory_mib()?;
    served.kill().await?;
    let kept = kept(&store).await?;
    let lost = answered.difference(&kept).count();
    println!(
        "{} mails answered with 250 in {:.1} s, {:.0} a second, with {} kills; the process held {peak:.0} MiB at most",
        answered.len(),
        took.as_secs_f64(),
        answered.len() as f64 / took.as_secs_f64(),
        arguments.kills
    );
    println!("{} are kept, {lost} of those that were answered are lost", kept.len());
    let all_came = answered.len() == arguments.mails as usize;
    Ok(if lost == 0 && all_came { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Kills and starts it again, spread over the work.
async fn kill(served: &mut Served, arguments: &IntakeArguments, work: &Work) -> anyhow::Result<()> {
    if arguments.kills == 0 {
        return Ok(());
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}: {} kills", arguments.kills);
    let mut random = StdRng::seed_from_u64(seed);
    for number in 1..=arguments.kills {
        let share = f64::from(number) - random.random_range(0.1..0.9);
        let at = (f64::from(arguments.mails) * share / f64::from(arguments.kills)) as u32;
        while work.next.load(Ordering::Relaxed) < at {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        served.kill().await?;
        served.start_again().await?;
    }
    Ok(())
}

/// What the clients share.
struct Work {
    keys: Keys,
    next: AtomicU32,
    mails: u32,
    over: AtomicBool,
}

impl Work {
    /// Brings mails until there is none left; returns the names of those that were answered with 250. One that was not is brought again.
    async fn bring(&self, smtp: std::net::SocketAddr) -> anyhow::Result<Vec<String>> {
        let target = Target { host: smtp.ip().to_string(), addr: smtp, source: None };
        let session = Session { tls: TlsPolicy::None, ..Session::new("bench.example", TlsClients::new(&[])?) };
        let mut answered = Vec::new();
        let mut connection: Option<Connection> = None;
        let mut again = None;
        while !self.over.load(Ordering::Relaxed) {
            let Some(number) = again.take().or_else(|| self.take()) else { break };
            if connection.is_none() {
                connection = Connection::open(&target, &session).await.ok();
            }
            let Some(mut open) = connection.take() else {
                again = Some(number);
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
                continue;
            };
            let mail_from = format!("m{number}@reporter.example");
            let path = format!("b-{}@{BOUNCE_DOMAIN}", self.keys.seal(TokenKind::Bounce, i64::from(number) + 1));
            let envelope = Envelope { mail_from: &mail_from, rcpt_to: &path, smtputf8: false };
            let outcome = match open.offer(&envelope, bounce(&path).as_bytes()).await {
                Offer::AwaitsDot => open.finish().await,
                Offer::Ended(outcome) => outcome,
            };
            match outcome {
                Outcome::Accepted { .. } => {
                    answered.push(mail_from);
                    connection = open.is_reusable().then_some(open);
                }
                // Whether it was kept is not known: who was not answered brings it again.
                _ => again = Some(number),
            }
        }
        Ok(answered)
    }

    fn take(&self) -> Option<u32> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.mails).then_some(number)
    }
}

/// A delivery report of about the size of real ones, to this return path.
pub fn bounce(path: &str) -> String {
    let mut returned = String::new();
    for line in 0..30 {
        returned
            .push_str(&format!("X-Line-{line}: what a returned header looks like, more or less, in its length\r\n"));
    }
    format!(
        "From: MAILER-DAEMON@mx.bench.example (Mail Delivery System)\r\nTo: {path}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nThis is the mail system. Your message could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.bench.example\r\n\r\n\
         Final-Recipient: rfc822; person@bench.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 <person@bench.example>: Recipient address rejected: User unknown\r\n\r\n\
         --b\r\nContent-Type: message/rfc822-headers\r\n\r\nReturn-Path: <{path}>\r\n{returned}\r\n--b--\r\n"
    )
}

/// Waits until nothing is left unread.
pub async fn wait_until_read(store: &Store) -> anyhow::Result<()> {
    let began = Instant::now();
    while store.unread_reports().await? > 0 {
        anyhow::ensure!(began.elapsed() < READ_WITHIN, "reports are not read");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The reverse paths of what is kept. Their deliveries never existed, so they belong to no workspace.
async fn kept(store: &Store) -> anyhow::Result<HashSet<String>> {
    let mut kept = HashSet::new();
    let mut before: Option<ReportId> = None;
    loop {
        let page = store.strangers_reports(before, PAGE_REPORTS).await?;
        let Some(last) = page.last() else { return Ok(kept) };
        before = Some(last.id);
        kept.extend(page.into_iter().map(|report| report.mail_from));
    }
}
