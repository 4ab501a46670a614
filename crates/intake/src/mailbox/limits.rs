use std::time::Duration;

/// Mails that are fetched, and kept at the same time.
pub const BATCH_MAILS: usize = 20;
/// Mails that are listed, and asked about, in one go.
pub const PAGE_MAILS: usize = 500;

const MAILS_PER_ROUND: usize = 500;
/// Entries of a POP3 server's list, or of a directory, that a round looks at. The rest comes when these are removed.
const LISTED_MAILS: usize = 100_000;
/// Larger mails stay where they are.
const MAIL_OCTETS: u64 = 64 * 1024 * 1024;
const CONNECT_WAIT: Duration = Duration::from_secs(30);
/// For a line or a block of octets. Slow servers search large mailboxes meanwhile.
const REPLY_WAIT: Duration = Duration::from_mins(1);
const ROUND_WAIT: Duration = Duration::from_mins(15);

/// What one round may take. Sizes in octets.
#[derive(Debug, Clone)]
pub struct MailboxLimits {
    pub mails_per_round: usize,
    pub listed_mails: usize,
    pub mail_octets: u64,
    pub connect_wait: Duration,
    pub reply_wait: Duration,
    pub round_wait: Duration,
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self {
            mails_per_round: MAILS_PER_ROUND,
            listed_mails: LISTED_MAILS,
            mail_octets: MAIL_OCTETS,
            connect_wait: CONNECT_WAIT,
            reply_wait: REPLY_WAIT,
            round_wait: ROUND_WAIT,
        }
    }
}
