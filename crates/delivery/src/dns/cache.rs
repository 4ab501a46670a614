use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An answer and how long it holds.
pub(super) struct Fresh<V> {
    pub value: V,
    pub ttl: Duration,
}

type Slot<V> = Arc<tokio::sync::Mutex<Option<(V, Instant)>>>;

/// Answers by name until they are stale; who asks while an answer is on its way waits for it (single flight).
pub(super) struct Cache<V> {
    slots: Mutex<HashMap<String, Slot<V>>>,
    max_entries: usize,
}

impl<V: Clone> Cache<V> {
    pub fn new(max_entries: usize) -> Self {
        Self { slots: Mutex::new(HashMap::new()), max_entries }
    }

    pub async fn get<F>(&self, name: &str, ask: impl FnOnce() -> F) -> V
    where
        F: Future<Output = Fresh<V>>,
    {
        let slot = self.slot(name);
        let mut held = slot.lock().await;
        if let Some((value, until)) = held.as_ref()
            && *until > Instant::now()
        {
            return value.clone();
        }
        let Fresh { value, ttl } = ask().await;
        *held = Some((value.clone(), Instant::now() + ttl));
        value
    }

    fn slot(&self, name: &str) -> Slot<V> {
        // A panic while the map is held leaves a whole map.
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(name) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.max_entries {
            make_room(&mut slots, self.max_entries / 2);
        }
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }
}

/// Drops what is stale, then, if that was not enough, whatever comes first. What is being asked stays, so that the map
/// may pass its bound by the number of questions under way, which is bounded too.
fn make_room<V>(slots: &mut HashMap<String, Slot<V>>, keep: usize) {
    let now = Instant::now();
    slots.retain(|_, slot| match slot.try_lock() {
        Ok(held) => held.as_ref().is_some_and(|(_, until)| *until > now),
        Err(_) => true,
    });
    let mut surplus = slots.len().saturating_sub(keep);
    slots.retain(|_, slot| {
        let drop_it = surplus > 0 && slot.try_lock().is_ok();
        surplus -= usize::from(drop_it);
        !drop_it
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TTL: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn many_askers_one_question_until_it_is_stale() {
        let cache = Cache::new(10);
        let asked = AtomicUsize::new(0);
        let ask = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Fresh { value: asked.fetch_add(1, Ordering::Relaxed), ttl: TTL }
        };
        let (a, b, c) = tokio::join!(cache.get("x", ask), cache.get("x", ask), cache.get("x", ask));
        assert_eq!((a, b, c), (0, 0, 0));
        tokio::time::advance(TTL).await;
        assert_eq!(cache.get("x", ask).await, 1);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_stays_within_its_bound() {
        let cache = Cache::new(10);
        for n in 0..1000 {
            cache.get(&n.to_string(), || async { Fresh { value: n, ttl: TTL } }).await;
        }
        assert!(cache.slots.lock().unwrap().len() <= 10);
    }
}
