use std::sync::Arc;

use tidings_bounce::ProviderBook;
use tidings_compose::Keys;
use tidings_domain::{ProcessRole, Shared, UnixMs};
use tidings_queue::Queue;
use tidings_store::Store;

use crate::hooks::{Fetch, Hooks};
use crate::pages::campaigns::LiveCampaigns;
use crate::public::Public;
use crate::throttle::SignInThrottle;
use crate::{Ops, WebConfig, clock};

/// What every handler can reach, as `web::Data<WebState>`.
pub struct WebState {
    pub store: Store,
    /// Only read: depths and holds. A page never enqueues.
    pub queue: Queue,
    pub keys: Arc<Keys>,
    pub config: WebConfig,
    pub ops: Arc<Ops>,
    /// The provider table and the reply rules in force.
    pub book: Shared<ProviderBook>,
    pub(crate) throttle: SignInThrottle,
    pub(crate) live: LiveCampaigns,
    pub(crate) public: Public,
    pub(crate) hooks: Hooks,
}

impl WebState {
    #[must_use]
    pub fn new(store: Store, queue: Queue, keys: Arc<Keys>, config: WebConfig) -> Self {
        let (throttle, live) = (SignInThrottle::default(), LiveCampaigns::default());
        let (public, hooks) = (Public::new(store.clone()), Hooks::new(store.clone()));
        let ops = Arc::new(Ops::new(store.clone(), queue.clone(), ProcessRole::Serve));
        let book = Shared::new(ProviderBook::builtin());
        Self { store, queue, keys, config, ops, book, throttle, live, public, hooks }
    }

    /// With probes that know this process's role and count its loops.
    #[must_use]
    pub fn with_ops(mut self, ops: Arc<Ops>) -> Self {
        self.ops = ops;
        self
    }

    /// With the providers as this process keeps them; else the program's own.
    #[must_use]
    pub fn with_book(mut self, book: Shared<ProviderBook>) -> Self {
        self.book = book;
        self
    }

    /// With another way to fetch what proves Amazon's posts.
    #[must_use]
    pub fn with_fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.hooks = self.hooks.fetching(fetch);
        self
    }

    /// The present instant. The one clock of the pages.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        clock::now()
    }
}
