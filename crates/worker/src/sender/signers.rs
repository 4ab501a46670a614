//! The threads that sign: as many as there are cores, beside the async ones. They take from one queue, so that under load none of them
//! sleeps between two messages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tidings_compose::Signer;
use tidings_domain::{Service, UnixMs};
use tokio::sync::oneshot;

/// Signatures made at one time, whatever the machine has: more would only wait for memory.
const MOST_AT_ONCE: usize = 128;

/// A message to be signed.
pub struct Unsigned {
    pub signer: Arc<Signer>,
    pub message: Vec<u8>,
    pub at: UnixMs,
    /// The service whose relay takes it.
    pub via: Option<Service>,
}

type Signed = anyhow::Result<Vec<u8>>;
type Task = (Unsigned, oneshot::Sender<Signed>);

/// The threads end when this is dropped.
pub struct Signers {
    tasks: Sender<Task>,
}

impl Signers {
    pub fn start() -> Self {
        let (tasks, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for number in 0..cores.min(MOST_AT_ONCE) {
            let queue = Arc::clone(&queue);
            let started = std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue));
            if let Err(error) = started {
                tracing::error!(%error, "a thread that signs could not be started");
            }
        }
        Self { tasks }
    }

    /// Waits for its turn and for the signature.
    ///
    /// # Errors
    /// The library refuses, or there is no thread that signs.
    pub async fn sign(&self, unsigned: Unsigned) -> Signed {
        let (done, signed) = oneshot::channel();
        self.tasks.send((unsigned, done)).ok().context("no thread signs")?;
        signed.await.context("no thread signs")?
    }
}

fn work(queue: &Mutex<Receiver<Task>>) {
    loop {
        // Bound first: the lock must not be held while the message is signed.
        let taken = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((unsigned, done)) = taken else { return };
        let signed = catch_unwind(AssertUnwindSafe(|| sign(unsigned)));
        // Who asked may have gone.
        let _ = done.send(signed.unwrap_or_else(|_| Err(anyhow::anyhow!("signing the message failed"))));
    }
}

fn sign(unsigned: Unsigned) -> Signed {
    let Unsigned { signer, mut message, at, via } = unsigned;
    signer.sign(&mut message, at, via)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_compose::{DkimKey, Keys, make_dkim_key};
    use tidings_domain::DkimAlgorithm;

    fn signer() -> Arc<Signer> {
        let keys = Keys::new(&[1; 32]);
        let sealed = make_dkim_key(DkimAlgorithm::Ed25519).expect("a key").seal(&keys, "here");
        let key = DkimKey::open(&keys, "here", DkimAlgorithm::Ed25519, "s", &sealed).expect("opens");
        Arc::new(Signer::new("shop.example", vec![key]))
    }

    #[tokio::test]
    async fn many_at_once_each_get_their_own_back() {
        let (signers, signer) = (Signers::start(), signer());
        let ask = |number: u32| {
            let message = format!("From: a@shop.example\r\nSubject: {number}\r\n\r\nHello\r\n").into_bytes();
            signers.sign(Unsigned { signer: Arc::clone(&signer), message, at: UnixMs(0), via: None })
        };
        let signed = futures_util::future::join_all((0..500).map(ask)).await;
        for (number, message) in signed.into_iter().enumerate() {
            let message = String::from_utf8(message.expect("signed")).expect("text");
            assert!(message.starts_with("DKIM-Signature: ") && message.contains(&format!("Subject: {number}\r\n")));
        }
    }

    #[tokio::test]
    async fn without_a_thread_it_is_said_and_nothing_hangs() {
        let (tasks, queue) = channel();
        drop(queue);
        let unsigned = Unsigned { signer: signer(), message: Vec::new(), at: UnixMs(0), via: None };
        let said = Signers { tasks }.sign(unsigned).await.expect_err("nobody signs").to_string();
        assert_eq!(said, "no thread signs");
    }
}
