use crate::word::words;

words! {
    /// What a process of an installation does. `serve` is all of it in one.
    pub enum ProcessRole {
        Serve = "serve",
        /// Pages, public links, uploads and their import.
        Web = "web",
        /// Fan-out, jobs, retries that are due. One leads, others stand by.
        Dispatcher = "dispatcher",
        /// Attempts.
        Worker = "worker",
        /// Takes the mail of the bounce domain: its SMTP listener, and mailboxes.
        Intake = "intake",
    }
}

impl ProcessRole {
    /// It makes attempts.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::Serve | Self::Worker)
    }

    /// It moves campaigns along.
    #[must_use]
    pub fn dispatches(self) -> bool {
        matches!(self, Self::Serve | Self::Dispatcher)
    }

    /// It takes bounces, complaints and unsubscribe mails.
    #[must_use]
    pub fn takes_mail(self) -> bool {
        matches!(self, Self::Serve | Self::Intake)
    }

    #[must_use]
    pub fn serves_pages(self) -> bool {
        matches!(self, Self::Serve | Self::Web)
    }
}
