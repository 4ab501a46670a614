/// What sets a provider apart from one that takes every good message at once.
///
/// What belongs to a mailbox holds everywhere: a local part that begins with `unknown.` does not exist, one with
/// `full.` or `quota.` has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Plain,
    /// `421 4.7.28` above a rate or a number of connections.
    Throttles,
    /// `451 4.7.1` for a recipient first seen, until some time has passed.
    Greylists,
    /// Has many `unknown.` mailboxes: `550 5.1.1`.
    RefusesUnknown,
    /// Has many `full.` (`452 4.2.2`) and `quota.` (`552 5.2.2`) mailboxes.
    FullMailboxes,
    /// Closes connections without a word, at several moments.
    Drops,
    /// Takes its time before the greeting and the final reply.
    Slow,
}

/// When [`Habit::Drops`] closes the connection, for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropAt {
    Never,
    /// Instead of the reply to RCPT; the next try is taken.
    Recipient,
    /// Instead of the reply to DATA; the next try is taken. Not later: once the text flows, a sender may have written
    /// the final dot before it notices, and what it then records would depend on the clock.
    Data,
    /// After the final dot, the copy kept: the sender cannot know.
    AfterAccepting,
    /// After the final dot, the copy thrown away: the sender cannot know.
    InsteadOfAccepting,
}

/// One in so many recipients of a dropping provider for each of the two kinds of doubt.
const DOUBT_ONE_IN: u64 = 100;

impl DropAt {
    pub fn of(recipient: &str) -> Self {
        let lot = lot(recipient);
        match lot % DOUBT_ONE_IN {
            0 => Self::AfterAccepting,
            1 => Self::InsteadOfAccepting,
            _ => match (lot >> 32) % 4 {
                0 => Self::Recipient,
                1 => Self::Data,
                _ => Self::Never,
            },
        }
    }
}

/// A number drawn for an address, always the same one (FNV-1a, mixed).
pub fn lot(text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mix(fnv)
}

/// Spreads a number over all 64 bits (the finisher of splitmix64).
pub const fn mix(number: u64) -> u64 {
    let a = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}
