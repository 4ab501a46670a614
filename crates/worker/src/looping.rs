use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// What one step of a loop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more: go on at once.
    DidWork,
    /// Nothing to do for now.
    Idle,
}

/// A loop's body: one bounded piece of work.
pub trait Looping {
    /// For logs.
    const NAME: &'static str;

    /// # Errors
    /// What stood in the way; the next step tries again.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<Step>> + Send;
}

/// After an error a loop waits this long, doubling up to the longest wait.
const FIRST_ERROR_WAIT: Duration = Duration::from_millis(200);
const LONGEST_ERROR_WAIT: Duration = Duration::from_secs(15);

/// The one shape of every loop: steps until stopped, resting when idle and longer after errors. An error is logged here, once, and
/// never ends the loop: what the step left undone is still in the database for the next one.
pub async fn run_until_stopped<L: Looping>(body: &mut L, stop: &CancellationToken, idle: Duration) {
    let mut error_wait = FIRST_ERROR_WAIT;
    while !stop.is_cancelled() {
        let rest = match body.step().await {
            Ok(Step::DidWork) => {
                error_wait = FIRST_ERROR_WAIT;
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Step::Idle) => {
                error_wait = FIRST_ERROR_WAIT;
                idle
            }
            Err(error) => {
                tracing::error!(loop_name = L::NAME, error = format!("{error:#}"), "step failed; trying again");
                let rest = error_wait;
                error_wait = (error_wait * 2).min(LONGEST_ERROR_WAIT);
                rest
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}
