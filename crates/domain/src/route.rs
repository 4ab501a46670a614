use crate::word::words;

words! {
    /// How mail leaves.
    pub enum RouteKind {
        /// To the recipient's MX, from our own address.
        Direct = "direct",
        /// Through an SMTP server that takes custody of the message.
        Relay = "relay",
    }
}

words! {
    /// What a route asks of TLS.
    pub enum RouteTls {
        /// Never: plain text.
        None = "none",
        /// STARTTLS when the peer offers it.
        Opportunistic = "opportunistic",
        /// STARTTLS or nothing, with a verified certificate.
        StartTls = "starttls",
        /// TLS from the first octet (RFC 8314 §3.3), with a verified certificate.
        Tls = "tls",
    }
}

words! {
    /// What a person wants of one list.
    pub enum SubscriptionStatus {
        Subscribed = "subscribed",
        Unsubscribed = "unsubscribed",
    }
}
