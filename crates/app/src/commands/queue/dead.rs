//! `tidings queue dead`: dead letters of all campaigns of the workspace, as their page has them.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tidings_domain::{BounceClass, DeliveryState, UnixMs, UnsentAct, Word};
use tidings_store::{
    ByWhom, CampaignId, DeadCursor, DeadLetter, DeliveryId, ReplyGroupId, Store, UnsentFilter, Workspace,
};
use tidings_worker::now;

use super::operate::{confirmed, who};
use crate::table::{self, about, short};

/// Rows that one transaction moves.
const STEP_ROWS: i64 = 2_000;
/// Rows read at a time by an export.
const EXPORT_ROWS: i64 = 2_000;
/// With a filter on state or age, no more than this are counted before.
const COUNTED_AT_MOST: i64 = 1_000_000;
const REPLY_CHARACTERS: usize = 80;

#[derive(Subcommand)]
pub enum DeadCommand {
    /// List them, newest first.
    Ls(ListArguments),
    /// Show one with all its attempts.
    Show(super::list::ShowArguments),
    /// Try them again at once, with a new retry window.
    Retry(ActArguments),
    /// Take them off the list. Their state and history stay.
    Discard(DiscardArguments),
    /// Write them as CSV to standard output.
    Export(Which),
}

#[derive(Clone, Copy, ValueEnum)]
enum Ended {
    /// Gave up after the retry window.
    SoftBounced,
    /// Through us or the content.
    Failed,
}

/// Which dead letters; all conditions have to hold.
#[derive(clap::Args, Clone)]
pub struct Which {
    /// Of this campaign (the number in its address).
    #[arg(long, value_name = "NUMBER")]
    campaign: Option<i64>,
    /// To this provider, as the queues page names it: google, mx:example.org.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Whose last refusal says this: a bounce class such as greylist or mailbox_full.
    #[arg(long, value_name = "WORD", value_parser = class)]
    class: Option<BounceClass>,
    /// Whose last reply has this code.
    #[arg(long, value_name = "NUMBER")]
    code: Option<i16>,
    /// Whose last reply, normalised, is exactly this text, as `dead ls --json` shows it.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// How they ended.
    #[arg(long, value_enum)]
    state: Option<Ended>,
    /// Given up within so many hours.
    #[arg(long, value_name = "HOURS")]
    within: Option<u32>,
    /// Given up before so many hours.
    #[arg(long, value_name = "HOURS")]
    before: Option<u32>,
}

fn class(word: &str) -> Result<BounceClass, String> {
    BounceClass::parse(word).map_err(|error| error.to_string())
}

impl Which {
    fn filter(&self, now: UnixMs) -> UnsentFilter {
        let ago = |hours: &u32| now.0 - i64::from(*hours) * UnixMs::HOUR;
        let state = self.state.map(|state| match state {
            Ended::SoftBounced => DeliveryState::SoftBounced.code(),
            Ended::Failed => DeliveryState::Failed.code(),
        });
        UnsentFilter {
            campaign: self.campaign.map(CampaignId),
            provider: self.provider.clone(),
            class: self.class.map(|class| class.to_string()),
            code: self.code,
            text: self.text.clone(),
            state,
            from_ms: self.within.as_ref().map(ago),
            until_ms: self.before.as_ref().map(ago),
        }
    }
}

#[derive(clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Go on behind this place: what the page before ended with.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct ActArguments {
    #[command(flatten)]
    which: Which,
    /// Only this delivery.
    #[arg(long, value_name = "NUMBER")]
    id: Option<i64>,
    /// All that there are.
    #[arg(long)]
    all: bool,
    /// Only say how many it would be.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(clap::Args)]
pub struct DiscardArguments {
    #[command(flatten)]
    act: ActArguments,
    /// Why: it stays beside each of them.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub async fn run(store: &Store, command: DeadCommand) -> anyhow::Result<ExitCode> {
    let first = store.first_workspace().await?.context("this installation has no workspace yet")?;
    let data = store.workspace(first.id);
    match command {
        DeadCommand::Ls(arguments) => list(&data, arguments).await,
        DeadCommand::Show(arguments) => super::list::show(store, arguments).await,
        DeadCommand::Retry(arguments) => act(&data, UnsentAct::Retry, arguments, String::new()).await,
        DeadCommand::Discard(arguments) => {
            ensure!(!arguments.reason.trim().is_empty(), "say why they are discarded: --reason");
            act(&data, UnsentAct::Discard, arguments.act, arguments.reason).await
        }
        DeadCommand::Export(which) => export(&data, &which).await,
    }
}

async fn list(data: &Workspace, arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let before = match &arguments.after {
        None => None,
        Some(text) => Some(DeadCursor::parse(text).context("--after takes the place that a page ended with")?),
    };
    let at = now();
    let found = data.dead_letters(arguments.which.filter(at), before, arguments.limit).await?;
    if arguments.json {
        found.iter().for_each(|row| println!("{}", as_json(row)));
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        println!("no dead letter fits");
        return Ok(ExitCode::SUCCESS);
    }
    let cells: Vec<Vec<String>> = found.iter().map(|row| cells(row, at)).collect();
    table::print(
        &["DELIVERY", "CAMPAIGN", "ENDED", "TRIES", "PROVIDER", "RECIPIENT", "GIVEN UP", "REASON", "REPLY"],
        &cells,
    );
    if let Some(last) = found.last().filter(|_| i64::try_from(found.len()) == Ok(arguments.limit)) {
        println!("there may be more: --after {}", DeadCursor { at_ms: last.updated_at_ms, id: last.id });
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &DeadLetter, at: UnixMs) -> Vec<String> {
    vec![
        row.id.to_string(),
        row.campaign_id.to_string(),
        row.state.to_string(),
        row.attempt.to_string(),
        row.provider.clone().unwrap_or_else(|| "-".to_owned()),
        row.recipient.clone(),
        format!("{} ago", about(at.since(UnixMs(row.updated_at_ms)))),
        short(row.reason.as_deref().unwrap_or("-"), 40),
        short(row.reply.as_deref().unwrap_or(""), REPLY_CHARACTERS),
    ]
}

fn as_json(row: &DeadLetter) -> serde_json::Value {
    json!({
        "delivery": row.id, "campaign": row.campaign_id, "recipient": row.recipient, "provider": row.provider,
        "state": row.state.to_string(), "reason": row.reason, "tries": row.attempt, "code": row.reply_code,
        "enhanced": row.enhanced, "reply": row.reply, "given_up_at_ms": row.updated_at_ms,
    })
}

/// Counts, asks, and moves; each step is a transaction of its own, so ending it in the middle leaves nothing half done.
async fn act(data: &Workspace, act: UnsentAct, arguments: ActArguments, reason: String) -> anyhow::Result<ExitCode> {
    let filter = arguments.which.filter(now());
    let is_narrow = filter != UnsentFilter::default() || arguments.id.is_some();
    ensure!(is_narrow || arguments.all, "say which dead letters: --campaign, --class, --id and so on, or --all");
    let by = ByWhom { actor: who(), reason };
    let done = if act == UnsentAct::Retry { "tried again" } else { "discarded" };
    if let Some(id) = arguments.id {
        let moved =
            if arguments.dry_run { 1 } else { data.act_on_picked(act, vec![DeliveryId(id)], by, now()).await? };
        println!("{moved} {}{done}", if arguments.dry_run { "to be " } else { "" });
        return Ok(ExitCode::SUCCESS);
    }
    let total = data.would_act(act, filter.clone(), COUNTED_AT_MOST, now()).await?;
    println!("{total} to be {done}");
    if total == 0 || arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirmed(&format!("{total} dead letters will be {done}. Go on?"))? {
        println!("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    let (mut after, mut moved) = (ReplyGroupId(0), 0);
    loop {
        let step = data.act_on_matching(act, filter.clone(), after, by.clone(), STEP_ROWS, now()).await?;
        moved += step.moved;
        after = step.after;
        if step.is_done {
            println!("{moved} {done}");
            return Ok(ExitCode::SUCCESS);
        }
    }
}

async fn export(data: &Workspace, which: &Which) -> anyhow::Result<ExitCode> {
    let filter = which.filter(now());
    let mut csv = csv::Writer::from_writer(std::io::stdout().lock());
    csv.write_record([
        "delivery",
        "campaign",
        "email",
        "provider",
        "state",
        "reason",
        "attempts",
        "code",
        "enhanced_code",
        "reply",
        "given_up_at_ms",
    ])?;
    let mut before = None;
    loop {
        let found = data.dead_letters(filter.clone(), before, EXPORT_ROWS).await?;
        for row in &found {
            csv.write_record(record(row).map(|cell| tidings_web::harmless(&cell)))?;
        }
        csv.flush()?;
        match found.last().filter(|_| i64::try_from(found.len()) == Ok(EXPORT_ROWS)) {
            Some(last) => before = Some(DeadCursor { at_ms: last.updated_at_ms, id: last.id }),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn record(row: &DeadLetter) -> [String; 11] {
    [
        row.id.to_string(),
        row.campaign_id.to_string(),
        row.recipient.clone(),
        row.provider.clone().unwrap_or_default(),
        row.state.to_string(),
        row.reason.clone().unwrap_or_default(),
        row.attempt.to_string(),
        row.reply_code.map(|code| code.to_string()).unwrap_or_default(),
        row.enhanced.clone().unwrap_or_default(),
        row.reply.clone().unwrap_or_default(),
        row.updated_at_ms.to_string(),
    ]
}
