use std::sync::{Arc, PoisonError, RwLock};

/// A value that is replaced while everything runs: who reads it has the one of that moment. Clones share it.
#[derive(Debug)]
pub struct Shared<T>(Arc<RwLock<Arc<T>>>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    #[must_use]
    pub fn current(&self) -> Arc<T> {
        // Nothing panics while it is held, and an Arc is whole or not there.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_read_before_keeps_what_he_has() {
        let shared = Shared::new(1);
        let (before, clone) = (shared.current(), shared.clone());
        clone.replace(2);
        assert_eq!((*before, *shared.current()), (1, 2));
    }
}
