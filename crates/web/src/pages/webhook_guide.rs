use tidings_domain::Service;

use crate::words::Label;

/// What a person does at a service so that it posts to us, in that service's words.
pub struct Guide {
    /// Where the address is pasted.
    pub place: &'static str,
    pub events: &'static str,
    /// What the key's field is called there, and here.
    pub key: &'static str,
    pub key_hint: &'static str,
    /// A public key has several lines.
    pub is_long: bool,
    /// A topic's name is none.
    pub is_secret: bool,
}

impl Guide {
    pub const fn of(service: Service) -> Self {
        match service {
            Service::Ses => SES,
            Service::SendGrid => SENDGRID,
            Service::Mailgun => MAILGUN,
            Service::Postmark => POSTMARK,
            Service::SparkPost => SPARKPOST,
            Service::Brevo => BREVO,
            Service::Generic => GENERIC,
        }
    }
}

const SES: Guide = Guide {
    place: "In Amazon SNS, create a standard topic and subscribe to it with the protocol HTTPS and this address as endpoint, raw message \
            delivery off. The subscription is confirmed by itself.",
    events: "In SES, publish bounces and complaints to the topic: as an event destination of your configuration set, or as the feedback \
             notifications of your identity with the original headers included.",
    key: "ARN of the topic",
    key_hint: "Like arn:aws:sns:eu-west-1:123456789012:name. Empty: the topic that confirms its subscription first.",
    is_long: false,
    is_secret: false,
};
const SENDGRID: Guide = Guide {
    place: "Settings → Mail Settings → Event Webhooks → Create new webhook: this address is the Post URL.",
    events: "Bounced, Dropped, Spam Reports, Unsubscribes. Delivered and Deferred may be on; they change nothing.",
    key: "Verification key",
    key_hint: "Switch on Signature Verification there, save, and copy the public key. Until it is here, the secret in the address is the \
               only proof.",
    is_long: true,
    is_secret: false,
};
const MAILGUN: Guide = Guide {
    place: "Sending → Webhooks, of your domain → Add webhook, once for each event.",
    events: "Permanent Failure, Spam Complaints, Unsubscribes.",
    key: "HTTP webhook signing key",
    key_hint: "Under API Security, beside the API keys. Until it is here, the secret in the address is the only proof.",
    is_long: false,
    is_secret: true,
};
const POSTMARK: Guide = Guide {
    place: "Your server → the message stream that you send through → Webhooks → Add webhook.",
    events: "Bounce, Spam complaint, Subscription change.",
    key: "User name and password",
    key_hint: "Make them up, write them here as name:password, and enter them there as Basic auth. Empty: the secret in the address is \
               the only proof.",
    is_long: false,
    is_secret: true,
};
const SPARKPOST: Guide = Guide {
    place: "Configuration → Webhooks → Create webhook: this address is the target.",
    events: "Bounce, Out of Band, Policy Rejection, Generation Failure and Rejection, Spam Complaint, List Unsubscribe, Link Unsubscribe.",
    key: "User name and password",
    key_hint: "Make them up, write them here as name:password, and choose Basic authentication there. Empty: the secret in the address is \
               the only proof.",
    is_long: false,
    is_secret: true,
};
const BREVO: Guide = Guide {
    place: "Transactional → Settings → Webhook → Add a new webhook, for the email channel.",
    events: "Hard bounced, Blocked, Invalid email, Error, Complaint, Unsubscribed. Soft bounced and Deferred may be on.",
    key: "Token, or user name and password",
    key_hint: "Make one up and enter it there as well: a token, or name:password for Basic. Empty: the secret in the address is the only \
               proof.",
    is_long: false,
    is_secret: true,
};
const GENERIC: Guide = Guide {
    place: "Anything that can post JSON: a script that reads a mail server's log, or a service without a module here.",
    events: "One object or a list: event (bounce, complaint, unsubscribe), recipient, diagnostic, id, and message_id, return_path or \
             tidings, which tie it to its delivery.",
    key: "Key of the signature",
    key_hint: "Tidings-Signature is the hexadecimal HMAC-SHA256 of Tidings-Timestamp (seconds since 1970), a dot and the body. Empty: the \
               secret in the address is the only proof.",
    is_long: false,
    is_secret: true,
};

impl Label for Service {
    fn label(&self) -> &'static str {
        match self {
            Self::Ses => "Amazon SES",
            Self::SendGrid => "SendGrid",
            Self::Mailgun => "Mailgun",
            Self::Postmark => "Postmark",
            Self::SparkPost => "SparkPost (Bird)",
            Self::Brevo => "Brevo",
            Self::Generic => "Another (signed JSON)",
        }
    }

    fn tone(&self) -> &'static str {
        "neutral"
    }
}
