use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_store::{RefusedPost, Store, TakenPost};
use tokio::sync::oneshot;

use crate::clock::now;

/// Events of one transaction, unless one post has more.
const BATCH_EVENTS: usize = 2_000;
/// Refusals that wait to be counted; those after them are not.
const MAX_REFUSALS: usize = 1_000;

/// Takes posts to the database: while one transaction is being written the next one gathers, so that services that post one event at a
/// time cost few commits. A post is never divided between two.
pub struct Keeper {
    store: Store,
    waiting: Mutex<Waiting>,
    /// A task is on its way that will write what waits.
    is_coming: AtomicBool,
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// Bounded by the room for bodies.
    posts: Vec<WaitingPost>,
    refusals: Vec<RefusedPost>,
}

struct WaitingPost {
    post: TakenPost,
    kept: oneshot::Sender<bool>,
}

impl Keeper {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            is_coming: AtomicBool::new(false),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// `true` when the post's events are committed.
    pub async fn keep(self: &Arc<Self>, post: TakenPost) -> bool {
        let (kept, answer) = oneshot::channel();
        self.waiting().posts.push(WaitingPost { post, kept });
        self.come();
        answer.await.unwrap_or(false)
    }

    /// Counts a refusal, behind the back of who posted.
    pub fn refuse(self: &Arc<Self>, refused: RefusedPost) {
        let mut waiting = self.waiting();
        if waiting.refusals.len() < MAX_REFUSALS {
            waiting.refusals.push(refused);
        }
        drop(waiting);
        self.come();
    }

    fn come(self: &Arc<Self>) {
        if !self.is_coming.swap(true, Ordering::AcqRel) {
            let keeper = Arc::clone(self);
            // Apart from the request: who goes away in the middle takes nobody's commit with him.
            tokio::spawn(async move { keeper.flush().await });
        }
    }

    /// Writes all that waits, after what is being written.
    pub async fn flush(&self) {
        let _turn = self.writing.lock().await;
        self.is_coming.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting());
        let mut batch = Vec::new();
        let mut events = 0;
        for next in waiting.posts {
            if events > 0 && events + next.post.events.len() > BATCH_EVENTS {
                self.write(std::mem::take(&mut batch)).await;
                events = 0;
            }
            events += next.post.events.len();
            batch.push(next);
        }
        self.write(batch).await;
        if !waiting.refusals.is_empty()
            && let Err(error) = self.store.note_refused(waiting.refusals, now()).await
        {
            tracing::error!(%error, "refused posts could not be counted");
        }
    }

    async fn write(&self, batch: Vec<WaitingPost>) {
        if batch.is_empty() {
            return;
        }
        let (posts, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.post, w.kept)).unzip();
        let kept = self.try_keep(posts).await;
        for (answer, kept) in answers.into_iter().zip(kept) {
            // Whoever went away meanwhile posts again.
            let _ = answer.send(kept);
        }
    }

    /// For each post whether it is kept. When the database refuses what stands in one, the others must not suffer for it.
    async fn try_keep(&self, posts: Vec<TakenPost>) -> Vec<bool> {
        let (n, posts) = (posts.len(), Arc::new(posts));
        let Err(error) = self.store.keep_posts(Arc::clone(&posts), now()).await else { return vec![true; n] };
        if n == 1 || !error.is_about_content() {
            tracing::error!(%error, posts = n, "posts of webhooks cannot be kept: the services have to post them again");
            return vec![false; n];
        }
        let mut kept = Vec::with_capacity(n);
        for post in posts.iter() {
            let alone = self.store.keep_posts(Arc::new(vec![post.clone()]), now()).await;
            kept.push(alone.inspect_err(|error| tracing::error!(%error, "a webhook's post is refused")).is_ok());
        }
        kept
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
