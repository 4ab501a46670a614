//! Routes and pools from the launch to the wire: real databases, a scripted mail server that sees who comes, and routes that fail in the
//! middle of a campaign.

mod connections;
mod failover;
mod limits;
mod sharing;
mod world;
