use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tidings_compose::Keys;
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{Store, StoreOptions};
use tidings_web::{WebConfig, WebState, sign_in_link};

use crate::config::Config;

#[derive(clap::Args)]
pub struct SignInLinkArguments {
    /// The user's e-mail address.
    email: String,
}

/// Whoever can run this on the data folder owns the installation anyway. It works beside a running `serve`.
pub async fn run(arguments: SignInLinkArguments, config: Config) -> anyhow::Result<ExitCode> {
    let store = Store::open(&config.database_url, StoreOptions::default()).await?;
    let user = store
        .user_by_email(arguments.email.trim().to_lowercase())
        .await?
        .with_context(|| format!("there is no user {}", arguments.email))?;
    // Only the link is made here: the keys of the instance play no part in it.
    let web = WebConfig::new(config.public_url, config.data_dir.join("spool"));
    let state = WebState::new(store, Queue::embedded(QueueOptions::default()), Arc::new(Keys::new(&[0; 32])), web);
    println!("{}", sign_in_link(&state, user.id).await.map_err(|e| anyhow::anyhow!("{e}"))?);
    println!("(works once, for an hour)");
    Ok(ExitCode::SUCCESS)
}
