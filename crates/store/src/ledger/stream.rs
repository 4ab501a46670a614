use diesel::prelude::*;

use crate::schema::campaigns;
use crate::{CampaignId, Store, StoreResult};

impl Store {
    /// The domain that a campaign is sent from: what a reply may name beside the sender's IP. Empty when the campaign is gone.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sending_domain(&self, campaign: CampaignId) -> StoreResult<String> {
        let from: Option<String> = self
            .read(move |conn| {
                Ok(campaigns::table.find(campaign).select(campaigns::from_email).first(conn).optional()?)
            })
            .await?;
        let from = from.unwrap_or_default();
        Ok(from.rsplit_once('@').map_or_else(String::new, |(_, domain)| domain.to_lowercase()))
    }
}
