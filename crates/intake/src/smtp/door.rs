use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts who is inside, in all and by address.
#[derive(Debug, Default)]
pub(super) struct Door {
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A place inside; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    peer: IpAddr,
}

impl Door {
    /// Lets `peer` in, unless there are `in_all` already, or `from_one` from its address.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, in_all: usize, from_one: usize) -> Option<Place> {
        let peer = customer(peer);
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.values().sum::<usize>() >= in_all {
            return None;
        }
        let count = inside.entry(peer).or_insert(0);
        if *count >= from_one {
            return None;
        }
        *count += 1;
        Some(Place { door: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = inside.entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// One customer of a provider has one IPv4 address, but a whole /64 of IPv6.
fn customer(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_and_the_house_have_their_bounds_and_places_come_back() {
        let door = Arc::new(Door::default());
        let first = door.enter(ip("192.0.2.1"), 3, 2).unwrap();
        let second = door.enter(ip("::ffff:192.0.2.1"), 3, 2).unwrap();
        assert!(door.enter(ip("192.0.2.1"), 3, 2).is_none(), "one address has two places");
        let third = door.enter(ip("2001:db8::1"), 3, 2).unwrap();
        assert!(door.enter(ip("192.0.2.9"), 3, 2).is_none(), "the house has three");
        drop((first, third));
        let _neighbour = door.enter(ip("2001:db8::2"), 3, 1).unwrap();
        assert!(door.enter(ip("2001:db8::3"), 3, 1).is_none(), "one /64 is one customer");
        drop(second);
        assert_eq!(door.inside.lock().unwrap().len(), 1, "no address is remembered that is gone");
    }
}
