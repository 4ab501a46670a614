//! What e-mail services post: proven, kept whole and once, or refused with a reason that the operator sees.

mod services;
mod site;
mod sns;
mod storm;
