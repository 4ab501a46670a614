use std::process::ExitCode;

use anyhow::Context;
use tidings_bounce::MAX_BYTES;
use tidings_compose::Keys;
use tidings_store::{LateAnswer, Store, StoreOptions};
use tidings_worker::{Taken, take_report};
use tokio::io::AsyncReadExt;

use crate::config::Config;
use crate::instance::Instance;

/// sysexits.h, as MTAs read it: keep the mail and pipe it in again later.
const EX_TEMPFAIL: u8 = 75;

/// Takes one mail from standard input and ends with 0 when it is dealt with, also when it is none of ours. It works beside a running
/// `serve`. On any trouble it ends with 75, so that the mail server keeps the mail and tries again.
pub async fn run(config: anyhow::Result<Config>) -> ExitCode {
    let taken = match config {
        Ok(config) => take(config).await,
        Err(error) => Err(error),
    };
    match taken {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tidings: {error:#}");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

async fn take(config: Config) -> anyhow::Result<String> {
    let mut mail = Vec::new();
    let mut input = tokio::io::stdin();
    (&mut input).take(MAX_BYTES as u64 + 1).read_to_end(&mut mail).await.context("reading the mail")?;
    // A mail server that writes into a closed pipe takes it for a failure.
    tokio::io::copy(&mut input, &mut tokio::io::sink()).await.context("reading the mail")?;
    let instance = Instance::share(&config.data_dir, config.secret_key)?;
    let store = Store::open(&config.database_url, StoreOptions::default()).await.context("opening the database")?;
    let taken = take_report(&store, &Keys::new(&instance.key), &mail).await.context("recording the report")?;
    Ok(match taken {
        Taken::NotOurs { kind } => format!("{kind}: no signed address of ours is in it; nothing was changed"),
        Taken::NoConsequence { delivery, kind } => {
            format!("{kind} of delivery {delivery}: nobody is marked for it")
        }
        Taken::Recorded { delivery, kind, answer } => format!("{kind} of delivery {delivery}: {}", words(answer)),
    })
}

fn words(answer: LateAnswer) -> String {
    match answer {
        LateAnswer::Moved { recipient } => format!("{recipient} is marked and suppressed"),
        LateAnswer::StandsStill(state) => format!("it stands at {state}; nothing was changed"),
        LateAnswer::Test => "it was a test message; nobody is marked for it".to_owned(),
        LateAnswer::NoSuchDelivery => "it is not in the ledger any more; nothing was changed".to_owned(),
    }
}
