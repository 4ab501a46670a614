use crate::word::words;

words! {
    /// What kind of mail came in by a bounce, feedback or unsubscribe address.
    pub enum ReportKind {
        /// A message ended without arriving for at least one recipient.
        Bounce = "bounce",
        /// The other side is still trying: information, without consequence.
        Delayed = "delayed",
        /// A receipt: delivered, relayed or expanded.
        Delivered = "delivered",
        /// A feedback-loop report (RFC 5965); its feedback type says which one.
        Feedback = "feedback",
        /// Someone asks by mail to get no more.
        Unsubscribe = "unsubscribe",
        /// Out of office, a receipt of reading, a confirmation by a machine.
        AutoReply = "auto_reply",
        /// Asks the sender to prove that he is a person.
        Challenge = "challenge",
        /// A person's answer, or any other mail.
        Reply = "reply",
        /// A service tells of something without consequence: taken for sending, opened, clicked.
        Notice = "notice",
        /// Not even a header field could be read.
        Unreadable = "unreadable",
    }
}

words! {
    /// What a delivery report says was done (RFC 3464 §2.3.3).
    pub enum ReportedAction {
        Failed = "failed",
        Delayed = "delayed",
        Delivered = "delivered",
        Relayed = "relayed",
        Expanded = "expanded",
    }
}

words! {
    /// What a feedback report is about (RFC 5965 §7.3, RFC 6591).
    pub enum FeedbackType {
        /// Someone pressed "spam": a complaint.
        Abuse = "abuse",
        Fraud = "fraud",
        Virus = "virus",
        /// Asks to be taken off, without calling it spam.
        OptOut = "opt-out",
        /// Takes an earlier complaint back.
        NotSpam = "not-spam",
        /// A report about SPF, DKIM or DMARC: about the sender's set-up, nobody complains.
        AuthFailure = "auth-failure",
        Other = "other",
    }
}

words! {
    /// An e-mail service that we send through and that posts what became of the mail.
    pub enum Service {
        /// Amazon SES, by way of SNS.
        Ses = "ses",
        SendGrid = "sendgrid",
        Mailgun = "mailgun",
        Postmark = "postmark",
        /// SparkPost, now Bird.
        SparkPost = "sparkpost",
        Brevo = "brevo",
        /// Anything that posts the documented JSON of our own.
        Generic = "generic",
    }
}
