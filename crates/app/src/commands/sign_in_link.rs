use std::process::ExitCode;

use anyhow::Context;
use tidings_store::{Store, StoreOptions};
use tidings_worker::now;

use crate::config::Config;

/// How long a printed link works.
pub const LINK_WORKS_MS: i64 = 3600 * 1000;

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
    let token = tidings_web::new_sign_in_token(&store, user.id, now()).await?;
    println!("{}/sign-in/{token}", config.public_url);
    println!("(works once, for an hour)");
    Ok(ExitCode::SUCCESS)
}
