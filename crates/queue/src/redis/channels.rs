use std::sync::{Arc, Mutex, PoisonError};

/// The numbers by which the server knows a request that is asked again.
///
/// A request has a channel, which no other has at the same time, and a number within it, which grows. The server keeps
/// the last reply of each channel: asked again, it gives the same one; and what comes late from a broken connection,
/// after the channel went on, is refused.
#[derive(Debug, Default, Clone)]
pub struct Channels(Arc<Mutex<Pool>>);

#[derive(Debug, Default)]
struct Pool {
    free: Vec<Request>,
    made: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub channel: u64,
    pub number: u64,
}

/// A request under way. Its channel is free again when it is dropped.
pub struct Lent {
    channels: Channels,
    pub request: Request,
}

impl Channels {
    pub fn lend(&self) -> Lent {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = pool.free.pop().unwrap_or_else(|| {
            pool.made += 1;
            Request { channel: pool.made, number: 0 }
        });
        Lent { channels: self.clone(), request: Request { number: free.number + 1, ..free } }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.channels.0.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_used_again_with_a_new_number() {
        let channels = Channels::default();
        let (one, two) = (channels.lend(), channels.lend());
        assert_ne!(one.request.channel, two.request.channel);
        let first = one.request;
        drop(one);
        let again = channels.lend().request;
        assert_eq!(again, Request { number: first.number + 1, ..first });
    }
}
