//! Bytes → facts: what a reply or a mail that came back says, and what follows from it.
//!
//! [`read`] takes a mail to a [`Report`]: a delivery report (RFC 3464, RFC 6533, or the free text of programs and
//! providers that follow neither), a feedback report (RFC 5965), or one of the mails that have no consequence.
//!
//! [`webhook`] takes what an e-mail service posts about our mail to the same [`Report`].
//!
//! [`classify`] reads a reply in this order: rules for one provider, families of texts, the enhanced code (RFC 3463),
//! the basic code with the phase it came in. The rules are data (`data/*.toml`), each with samples that must and must
//! not match. A rule names a class only; what a class means for the delivery, the provider and the campaign stands in
//! one table in code, so that no rule can punish a subscriber for the sender's fault or bounce him for a deferral. A
//! [`RuleBook`] has an operator's own rules before those of the program; `lint.rs` refuses those that can never fire.

mod book;
mod classify;
mod consequence;
mod escalate;
mod link;
mod lint;
mod mail;
mod normalise;
mod patterns;
mod problem;
mod provider_book;
mod report;
mod retry_after;
mod rules;
pub mod webhook;

pub use book::{MAX_OWN_RULES, RuleBook, RuleFaults, builtin_rules};
pub use classify::classify;
pub use escalate::{BAD_ADDRESS_PERSISTS, escalate};
pub use link::link_in;
pub use mail::MAX_BYTES;
pub use normalise::normalise;
pub use problem::classify_problem;
pub use provider_book::ProviderBook;
pub use report::{Claim, Feedback, Report, ReportedRecipient, Ties, read};
pub use retry_after::{LONGEST as LONGEST_RETRY_AFTER, SHORTEST as SHORTEST_RETRY_AFTER, retry_after};
