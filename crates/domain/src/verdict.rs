use std::time::Duration;

use crate::word::words;

words! {
    /// What a reply or a bounce says, in one word. The class names the fact; [`Consequence`] is kept apart.
    pub enum BounceClass {
        BadAddress = "bad_address",
        ProbableBadAddress = "probable_bad_address",
        BadDomain = "bad_domain",
        NullMx = "null_mx",
        Moved = "moved",
        NoMailHost = "no_mail_host",
        MailboxDisabled = "mailbox_disabled",
        MailboxFull = "mailbox_full",
        TooBig = "too_big",
        RemoteSystem = "remote_system",
        Network = "network",
        RoutingLoop = "routing_loop",
        Expired = "expired",
        /// Our own engine spoke wrongly.
        Protocol = "protocol",
        SessionLimit = "session_limit",
        ContentEncoding = "content_encoding",
        Smtputf8Unsupported = "smtputf8_unsupported",
        Policy = "policy",
        IpBlocked = "ip_blocked",
        ContentBlocked = "content_blocked",
        Relaying = "relaying",
        RecipientPolicy = "recipient_policy",
        Throttled = "throttled",
        TooManyConnections = "too_many_connections",
        Greylist = "greylist",
        Ptr = "ptr",
        Authentication = "authentication",
        TlsRequired = "tls_required",
        RelayAuth = "relay_auth",
        /// The template failed for this recipient.
        Render = "render",
        Undetermined = "undetermined",
    }
}

words! {
    /// Which of a provider's three knobs a reply is about.
    pub enum Knob {
        Rate = "rate",
        Connections = "connections",
        MessagesPerConnection = "messages_per_connection",
    }
}

/// How far a reply turns a knob down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// To one so-manieth of where it stands: 2 or more.
    Part(u32),
    /// To so much: messages a minute, connections, messages for each connection. What stands there already, or lower, is halved.
    AtMost(u32),
}

/// What most replies ask for that ask for less.
impl Default for Cut {
    fn default() -> Self {
        Self::Part(2)
    }
}

words! {
    /// Whose pace a reply is about: what it turns down or holds.
    pub enum PaceKey {
        /// The provider, by whichever route we come: our network, or the domain that all mail bounces to.
        Provider = "provider",
        /// The provider on the route that was used: its source address.
        Route = "route",
        /// The sending domain of the campaign on that route.
        SendingDomain = "sending_domain",
    }
}

impl BounceClass {
    /// The provider takes nothing from us for now, and waiting alone may not mend it: somebody should look.
    #[must_use]
    pub const fn is_block(self) -> bool {
        matches!(self, Self::IpBlocked | Self::Ptr)
    }
}

/// What follows for the delivery and its subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Try again by the retry schedule; costs an attempt.
    Retry,
    /// Try again; the peer slows us down, so it costs no attempt.
    Snooze,
    /// The recipient's fault for good: subscriber bounced, address suppressed.
    HardBounce,
    /// This message has ended; the subscriber's soft counter rises.
    SoftBounce,
    /// This message has ended through us or its content; the subscriber is left alone.
    Fail,
}

/// A reply, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub class: BounceClass,
    pub consequence: Consequence,
    /// Turn this knob of the provider down.
    pub knob: Option<Knob>,
    /// How far.
    pub cut: Cut,
    /// No raise begins to be earned before so long.
    pub stay: Duration,
    /// Leave it alone for so long.
    pub hold: Option<Duration>,
    /// For whom the knob is turned and the hold begins.
    pub key: PaceKey,
    /// The sender's own fault (authentication, content): the campaign is paused with this verdict as its reason.
    pub pause_campaign: bool,
    /// Which rule fired, for "why?" on screen.
    pub rule: String,
}
