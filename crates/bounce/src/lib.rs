//! Bytes → facts: what a reply says, and what follows from it.
//!
//! [`classify`] reads a reply in this order: rules for one provider, families of texts, the enhanced code (RFC 3463),
//! the basic code with the phase it came in. The rules are data (`data/*.toml`), each with samples that must and must
//! not match. A rule names a class only; what a class means for the delivery, the provider and the campaign stands in
//! one table in code, so that no rule can punish a subscriber for the sender's fault or bounce him for a deferral.

mod classify;
mod consequence;
mod escalate;
mod normalise;
mod problem;
mod rules;

pub use classify::classify;
pub use escalate::{BAD_ADDRESS_PERSISTS, BAD_DOMAIN_PERSISTS, escalate};
pub use normalise::normalise;
pub use problem::classify_problem;
