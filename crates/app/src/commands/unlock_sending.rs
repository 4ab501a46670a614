use std::process::ExitCode;

use crate::config::Config;
use crate::ground::open_beside;

/// It works beside running processes, which begin to send within seconds.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let store = open_beside(&config).await?;
    match store.sending_lock().await? {
        Some(why) => {
            store.unlock_sending().await?;
            println!("sending was locked ({why}); it is unlocked now");
        }
        None => println!("sending is not locked"),
    }
    Ok(ExitCode::SUCCESS)
}
