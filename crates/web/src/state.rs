use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_compose::Keys;
use tidings_domain::UnixMs;
use tidings_queue::Queue;
use tidings_store::Store;

use crate::WebConfig;
use crate::pages::campaigns::LiveCampaigns;
use crate::public::Public;
use crate::throttle::SignInThrottle;

/// What every handler can reach, as `web::Data<WebState>`.
pub struct WebState {
    pub store: Store,
    /// Only read: depths and holds. A page never enqueues.
    pub queue: Queue,
    pub keys: Arc<Keys>,
    pub config: WebConfig,
    pub(crate) throttle: SignInThrottle,
    pub(crate) live: LiveCampaigns,
    pub(crate) public: Public,
}

impl WebState {
    #[must_use]
    pub fn new(store: Store, queue: Queue, keys: Arc<Keys>, config: WebConfig) -> Self {
        let (throttle, live) = (SignInThrottle::default(), LiveCampaigns::default());
        let public = Public::new(store.clone());
        Self { store, queue, keys, config, throttle, live, public }
    }

    /// The present instant. The one clock of the pages.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
