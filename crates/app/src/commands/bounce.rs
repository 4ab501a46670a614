use std::process::ExitCode;

use anyhow::{Context, anyhow};
use std::sync::Arc;

use tidings_compose::Keys;
use tidings_intake::{Arrival, ArrivalSource, KEPT_BYTES, Mailroom};
use tidings_store::Store;
use tidings_worker::StoredMail;
use tokio::io::{AsyncReadExt, copy, sink, stdin};

use crate::config::Config;
use crate::ground::store_options;
use crate::instance::Instance;

/// sysexits.h, as MTAs read it: keep the mail and pipe it in again later.
const EX_TEMPFAIL: u8 = 75;

/// Keeps one mail from standard input, and ends with 0 when it is stored. Who reads it is the running `serve` or dispatcher, now or at
/// its next start. On any trouble it ends with 75, so that the mail server keeps the mail and tries again.
pub async fn run(config: anyhow::Result<Config>) -> ExitCode {
    let taken = match config {
        Ok(config) => keep(config).await,
        Err(error) => Err(error),
    };
    match taken {
        Ok(()) => {
            println!("kept; it is on the page Bounces as soon as the running Tidings has read it");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tidings: {error:#}");
            ExitCode::from(EX_TEMPFAIL)
        }
    }
}

async fn keep(config: Config) -> anyhow::Result<()> {
    let mut data = Vec::new();
    let mut input = stdin();
    (&mut input).take(KEPT_BYTES as u64).read_to_end(&mut data).await.context("reading the mail")?;
    // A mail server that writes into a closed pipe takes it for a failure.
    let rest = copy(&mut input, &mut sink()).await.context("reading the mail")?;
    let instance = Instance::share(&config.data_dir, config.secret_key)?;
    let store = Store::open(&config.database_url, store_options(&instance)).await.context("opening the database")?;
    let room = StoredMail::new(store, Arc::new(Keys::new(&instance.key)), config.bounce_domain.as_deref());
    let size = data.len() as u64 + rest;
    let arrival =
        Arrival { source: ArrivalSource::Pipe, key: None, mail_from: String::new(), rcpt_to: Vec::new(), data, size };
    room.keep(arrival).await.map_err(|trouble| anyhow!("keeping the mail: {trouble}"))
}
