//! Row ids as types, so that a list's id never finds a campaign.

use diesel_derive_newtype::DieselNewType;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, DieselNewType, serde::Serialize, serde::Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub i64);

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    write!(f, "{}", self.0)
                }
            }
        )+
    };
}

ids! {
    WorkspaceId,
    UserId,
    ListId,
    SubscriberId,
    ImportId,
    SuppressionId,
    SuppressionImportId,
    RouteId,
    PoolId,
    CampaignId,
    RevisionId,
    DeliveryId,
    ReplyGroupId,
    QueueOrderId,
    ReportId,
    WebhookId,
    SendingDomainId,
    DkimKeyId,
    /// 0 is "not yet known".
    ProviderId,
}
