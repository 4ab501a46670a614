//! How long the pages of what is put off and given up take, with a million of each: prints each query's median and slowest of 50.
//!
//!     cargo run --release -p tidings-store --example unsent_speed -- URL [ROWS]
//!
//! The database is filled and not cleaned up: give it one of its own.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tidings_domain::{UnixMs, Unsent, UnsentAct};
use tidings_store::{ByWhom, CampaignId, ReplyGroupId, Store, StoreOptions, StoreResult, UnsentFilter, WorkspaceId};

const GROUPS: i64 = 2_000;
const ROUNDS: usize = 50;
const NOW: UnixMs = UnixMs(1_800_000_000_000);

#[tokio::main]
async fn main() -> StoreResult<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("a database's URL");
    let rows: i64 = arguments.next().map_or(1_000_000, |n| n.parse().unwrap());
    let store = Store::open(&url, StoreOptions::default()).await?;
    let sql = filling(rows, store.is_embedded());
    store.write(move |conn| Ok(conn.batch_execute(&sql)?)).await?;
    let data = store.workspace(WorkspaceId(1));
    let one = UnsentFilter { campaign: Some(CampaignId(7)), ..UnsentFilter::default() };
    let class = UnsentFilter { class: Some("greylist".into()), ..UnsentFilter::default() };
    let text = UnsentFilter { text: Some("text 77".into()), ..UnsentFilter::default() };
    let deep = data.dead_letters(UnsentFilter::default(), None, 10_000).await?;
    let deep = deep.last().map(|row| tidings_store::DeadCursor { at_ms: row.updated_at_ms, id: row.id });
    time("deferred: groups of the workspace", || data.unsent_groups(Unsent::Deferred, UnsentFilter::default(), 1_000))
        .await?;
    time("deferred: groups of a campaign", || data.unsent_groups(Unsent::Deferred, one.clone(), 1_000)).await?;
    let ids: Vec<ReplyGroupId> = (1..=400).map(ReplyGroupId).collect();
    time("deferred: next tries of 400 groups", || data.next_tries(ids.clone())).await?;
    time("totals", || data.unsent_totals(None)).await?;
    time("dead letters: first page", || data.dead_letters(UnsentFilter::default(), None, 51)).await?;
    time("dead letters: a page 10,000 deep", || data.dead_letters(UnsentFilter::default(), deep, 51)).await?;
    time("dead letters: one class (many groups)", || data.dead_letters(class.clone(), None, 51)).await?;
    time("dead letters: one text", || data.dead_letters(text.clone(), None, 51)).await?;
    time("count of an act on all", || data.would_act(UnsentAct::Discard, UnsentFilter::default(), 100_000, NOW))
        .await?;
    let by = || ByWhom { actor: "bench".into(), reason: "bench".into() };
    let act = || data.act_on_matching(UnsentAct::Flush, UnsentFilter::default(), ReplyGroupId(0), by(), 500, NOW);
    time("a step of an order, 500 rows", act).await?;
    Ok(())
}

async fn time<T, F: Future<Output = StoreResult<T>>>(what: &str, run: impl Fn() -> F) -> StoreResult<()> {
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        run().await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    println!("{what:<40} median {:>8.2} ms   slowest {:>8.2} ms", ms(took[ROUNDS / 2]), ms(took[ROUNDS - 1]));
    Ok(())
}

/// As many deferred as dead, over 20 campaigns, 50 providers and as many texts as make the groups.
fn filling(rows: i64, is_embedded: bool) -> String {
    let series = |n: i64| match is_embedded {
        true => {
            format!("(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {n}) SELECT i FROM s) s")
        }
        false => format!("(SELECT i FROM generate_series(1, {n}) AS s(i)) s"),
    };
    let analyze = if is_embedded { "ANALYZE;" } else { "" };
    format!(
        "INSERT INTO workspaces (id, name, created_at_ms) VALUES (1, 'W', 0);
         INSERT INTO campaigns (id, workspace_id, name, state, revision_id, audience_total, created_at_ms, updated_at_ms)
            SELECT i, 1, 'C' || i, 'sending', 1, 1, 0, 0 FROM {campaigns};
         INSERT INTO providers (id, name) SELECT i, 'mx:p' || i || '.example' FROM {providers};
         INSERT INTO reply_groups (id, campaign_id, provider_id, text_key, workspace_id, class, reply_code, sample, n, first_at_ms,
            last_at_ms, deferred, dead) SELECT i, 1 + i % 20, 1 + i % 50, 'text ' || i, 1,
            CASE i % 3 WHEN 0 THEN 'greylist' WHEN 1 THEN 'mailbox_full' ELSE 'throttled' END, 450, '450 4.2.0 text', 1, 0, 0,
            {rows} / {GROUPS}, {rows} / {GROUPS} FROM {groups};
         INSERT INTO deliveries (workspace_id, campaign_id, revision_id, recipient, provider_id, state, attempt, next_at_ms,
            updated_at_ms, reason, reply, reply_group_id) SELECT 1, 1 + (i % {GROUPS} + 1) % 20, 1, 'p' || i || '@d' || i % 999 || '.example',
            1 + (i % {GROUPS} + 1) % 50, 3, 1, {now} + i, {now} - i, 'greylist', '450 4.2.0 Greylisted, try again', 1 + i % {GROUPS}
            FROM {all};
         INSERT INTO deliveries (workspace_id, campaign_id, revision_id, recipient, provider_id, state, attempt,
            updated_at_ms, reason, reply, reply_group_id) SELECT 1, 1 + (i % {GROUPS} + 1) % 20, 1, 'q' || i || '@d' || i % 999 || '.example',
            1 + (i % {GROUPS} + 1) % 50, 12, 9, {now} - i, 'expired', '450 4.2.0 Greylisted, try again', 1 + i % {GROUPS}
            FROM {all};
         {analyze}",
        campaigns = series(20),
        providers = series(50),
        groups = series(GROUPS),
        all = series(rows),
        now = NOW.0,
    )
}
