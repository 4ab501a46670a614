use futures_util::future::join_all;

use crate::{Arrival, Mailroom, Trouble};

/// Keeps mails, all at the same time so that the mailroom can store them together. Returns which of them are stored, and
/// the trouble that the others met.
pub(super) async fn keep_all<T>(mailroom: &impl Mailroom, mails: Vec<(T, Arrival)>) -> (Vec<T>, Option<Trouble>) {
    let (mut kept, mut met) = (Vec::new(), None);
    let results = join_all(mails.into_iter().map(async |(which, arrival)| (which, mailroom.keep(arrival).await))).await;
    for (which, result) in results {
        match result {
            Ok(()) => kept.push(which),
            Err(trouble) => met = Some(trouble),
        }
    }
    (kept, met)
}
