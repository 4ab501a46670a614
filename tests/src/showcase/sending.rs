//! How mail leaves: a route that is being warmed up, one whose address no worker has, a relay that lets nobody in, a pool; and
//! providers that hold, slow down and block.

use std::time::Duration;

use anyhow::Context;
use tidings_domain::{BounceClass, Knob as Turned, PaceAct, RouteFault, UnixMs};
use tidings_queue::{Job, Knob, Lanes, Limits, Scope, Settle, Shard, Signal};
use tidings_store::{NewPaceEvent, PaceCommand, PaceOf, RouteId};

use super::Scene;
use super::workers::id;

/// What the warm-up lets out on its first day, a tenth of it for the transactional lane.
const FIRST_DAY: u32 = 20;
const BULK: u8 = 2;
const TRANSACTIONAL: u8 = 0;

const TSS04: &str =
    "421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints";
const UNUSUAL: &str =
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address";
const BLOCKED: &str =
    "554 5.7.1 Service unavailable; client host [192.0.2.10] blocked - see https://ipcheck.example/?ip=192.0.2.10";

impl Scene {
    pub(super) async fn routes(&self) -> anyhow::Result<()> {
        let route = "/settings/sending/routes/new";
        let direct = [("kind", "direct"), ("tls", "starttls")];
        let berlin = [
            ("name", "Berlin"),
            ("source_v4", "192.0.2.10"),
            ("ehlo_name", "mail1.harbour.example"),
            ("warm_up", "yes"),
            ("warm_up_start", "20"),
            ("warm_up_growth", "150"),
            ("warm_up_full", "100000"),
            ("max_per_hour", "20000"),
        ];
        self.press(route, &[&direct[..], &berlin[..]].concat()).await?;
        self.press(route, &[&direct[..], &[("name", "Porto"), ("source_v4", "192.0.2.11")]].concat()).await?;
        let relay = [("name", "Mailgun"), ("kind", "relay"), ("host", "smtp.mailgun.example"), ("port", "587")];
        let access = [("tls", "starttls"), ("username", "postmaster@harbour.example"), ("password", "sesame")];
        self.press(route, &[&relay[..], &access[..]].concat()).await?;
        let pool = [("name", "Everything"), ("weight_1", "3"), ("weight_2", "1"), ("weight_3", "1")];
        self.press("/settings/sending/pools/new", &pool).await?;
        let sender = [("from_name", "Harbour Shop"), ("from_email", "news@harbour.example"), ("way", "pool:1")];
        self.press("/settings/sending", &sender).await?;
        let why = "535 5.7.8 Authentication credentials invalid";
        self.store.route_failed(RouteId(3), RouteFault::Credentials, why, self.ago(10 * UnixMs::MINUTE)).await?;
        self.checked(RouteId(1)).await
    }

    async fn checked(&self, route: RouteId) -> anyhow::Result<()> {
        let worker = &id("worker", "mail-1");
        self.data.ask_route_check(route, self.now).await?;
        self.store.take_route_check(worker, &[], UnixMs(0), self.now).await?.context("a check")?;
        let words = "192.0.2.10 is an address of this machine.\nIts name is mail1.harbour.example, which leads back to it.\n\
                     A mail server of gmail.com answered on port 25 and offers TLS 1.3.";
        Ok(self.store.finish_route_check(route, worker, (true, words.into()), self.now).await?)
    }

    pub(super) async fn queue_and_pace(&self) -> anyhow::Result<()> {
        self.store.begin_warm_ups(RouteId(1), vec!["google".into()], self.now).await?;
        self.warm_up_is_used_up().await;
        self.slowed("yahoo@1", 5, Some(Duration::from_secs(2 * 3_600)), TSS04).await;
        self.slowed("ms-consumer@1", 5, None, UNUSUAL).await;
        self.queue.push(&Shard::new(BULK, "mx:hoster.example@1"), 1, &jobs(5_000, 5)).await;
        self.queue.push(&Shard::new(TRANSACTIONAL, "relay:3"), 1, &jobs(9_000, 2)).await;
        self.history().await?;
        let held = PaceOf { provider: "united-internet".into(), ..PaceOf::default() };
        let until = PaceCommand::HoldUntil(UnixMs(self.now.0 + UnixMs::HOUR));
        self.store.order_pace(held, until, "Ana Silva", "Asked their postmaster first", self.now).await?;
        let limits =
            [("per_second", "2.5"), ("connections", ""), ("messages_per_connection", ""), ("mx", ".acme-mail.example")];
        self.press("/providers/google/limits", &limits).await?;
        let rule = [("rule", "acme-monday"), ("text", "come back on monday"), ("code", "4"), ("enhanced", "")];
        let meaning =
            [("class", "throttled"), ("knob", "connections"), ("hold_minutes", "90"), ("key", "sending_domain")];
        let samples = [("is", "421 come back on Monday"), ("is_not", "421 come back")];
        self.press("/providers/google/rules", &[&rule[..], &meaning[..], &samples[..]].concat()).await
    }

    async fn warm_up_is_used_up(&self) {
        let shard = Shard::new(BULK, "google@1");
        let limits = Limits { per_day: FIRST_DAY, per_second: 50.0, burst: 50, connections: 5, ..Limits::UNLIMITED };
        self.queue.set_limits(&shard, limits).await;
        self.queue.push(&shard, 1, &jobs(1_000, 900)).await;
        for _ in 0..FIRST_DAY {
            let Some(grant) = self.queue.lease("w", Lanes::ALL, 10, Duration::ZERO).await else { break };
            let done: Vec<(Job, Settle)> = grant.jobs.iter().map(|job| (*job, Settle::Done)).collect();
            self.queue.settle(&grant, &done).await;
            self.queue.close(grant).await;
        }
    }

    async fn slowed(&self, name: &str, waiting: i64, hold: Option<Duration>, why: &str) {
        let shard = Shard::new(BULK, name);
        self.queue.push(&shard, 1, &jobs(3_000, waiting)).await;
        let limits =
            Limits { per_second: 5.0, burst: 5, connections: 4, messages_per_connection: 20, ..Limits::UNLIMITED };
        self.queue.set_limits(&shard, limits).await;
        let signal = Signal { hold, ..Signal::halve(Scope::Destination, Knob::Rate, why) };
        self.queue.signal(&shard, signal).await;
    }

    async fn history(&self) -> anyhow::Result<()> {
        let turns = [(12, 10.0, 5.0, UNUSUAL), (7, 5.0, 2.5, UNUSUAL), (3, 2.5, 3.5, "An hour without a complaint")];
        for (hours, from, to, why) in turns {
            let event = NewPaceEvent { turn: Some((Turned::Rate, from, to)), ..turn("google", why) };
            let act = if to > from { PaceAct::Up } else { PaceAct::Down };
            self.store.note_pace(NewPaceEvent { act, ..event }, self.ago(hours * UnixMs::HOUR)).await?;
        }
        let (held, blocked) = (UnixMs(self.now.0 + 2 * UnixMs::HOUR), UnixMs(self.now.0 + 4 * UnixMs::HOUR));
        let slow = NewPaceEvent { turn: Some((Turned::Rate, 5.0, 2.5)), until: Some(held), ..turn("yahoo", TSS04) };
        self.store.note_pace(slow, self.ago(UnixMs::MINUTE)).await?;
        let (class, until) = (Some(BounceClass::IpBlocked), Some(blocked));
        let block = NewPaceEvent { class, until, ..turn("proofpoint", BLOCKED) };
        Ok(self.store.note_pace(block, self.ago(30 * UnixMs::MINUTE)).await?)
    }
}

fn turn(provider: &str, why: &str) -> NewPaceEvent {
    NewPaceEvent {
        of: PaceOf { provider: provider.into(), route: Some(RouteId(1)), stream: String::new() },
        act: PaceAct::Down,
        turn: None,
        until: None,
        class: Some(BounceClass::Throttled),
        rule: String::new(),
        why: why.into(),
        by: "Tidings".into(),
        attention: String::new(),
    }
}

fn jobs(from: i64, n: i64) -> Vec<Job> {
    (from..from + n).map(|delivery| Job { delivery, campaign: 1, attempt: 0 }).collect()
}
