//! Keys for a bench that signs: made and stored as the product does, and said to stand in DNS.

use std::time::Duration;

use anyhow::Context;
use tidings_compose::{DkimError, DkimKey, Keys, make_dkim_key};
use tidings_domain::{DkimAlgorithm, SendingDomainName, UnixMs, Word, new_selector};
use tidings_store::{AddedDomain, DomainCheck, KeySeen, NewDkimKey, SendingDomainId, Store, Workspace};
use tidings_worker::now;

use super::process::cpu_time;
use crate::scene;

/// Signatures measured for the floor: enough that a clock of 10 ms tells them.
const MEASURED_RSA: u32 = 2_000;
const MEASURED_ED25519: u32 = 20_000;
/// The canonical header of a message of the bench.
const HEADER_OCTETS: usize = 1_500;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Dkim {
    Rsa2048,
    Ed25519,
    /// One signature of each.
    Dual,
}

impl std::fmt::Display for Dkim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
        f.write_str(&words.join(" and "))
    }
}

impl Dkim {
    const fn algorithms(self) -> &'static [DkimAlgorithm] {
        match self {
            Self::Rsa2048 => &[DkimAlgorithm::Rsa2048],
            Self::Ed25519 => &[DkimAlgorithm::Ed25519],
            Self::Dual => &[DkimAlgorithm::Rsa2048, DkimAlgorithm::Ed25519],
        }
    }

    /// The CPU of one bare signature of each kind, added up: measured on all cores at one time, as the campaign signs.
    pub async fn bare_signature(self) -> anyhow::Result<Duration> {
        let algorithms = self.algorithms();
        let sum = move || algorithms.iter().map(|algorithm| measure(*algorithm)).sum::<anyhow::Result<Duration>>();
        tokio::task::spawn_blocking(sum).await?
    }

    /// A sending domain whose keys sign.
    pub async fn publish(self, store: &Store, workspace: &Workspace, keys: &Keys, domain: &str) -> anyhow::Result<()> {
        let new = self.algorithms().iter().map(|algorithm| new_key(keys, workspace, domain, *algorithm));
        let new = new.collect::<anyhow::Result<Vec<_>>>()?;
        let name = SendingDomainName::parse(domain)?;
        let added = workspace.add_sending_domain(name, new, scene::ACTOR.to_owned(), now()).await?;
        let AddedDomain::Yes(id) = added else { anyhow::bail!("the domain was not added: {added:?}") };
        find(store, workspace, id).await
    }
}

fn new_key(keys: &Keys, workspace: &Workspace, domain: &str, algorithm: DkimAlgorithm) -> anyhow::Result<NewDkimKey> {
    let selector = new_selector(algorithm, now(), |_| false);
    let made = make_dkim_key(algorithm)?;
    let context = tidings_store::DkimKey::seal_context(workspace.id(), domain, &selector);
    Ok(NewDkimKey { algorithm, private_sealed: made.seal(keys, &context), public_key: made.public_key, selector })
}

/// No DNS in a benchmark: its answer is told.
async fn find(store: &Store, workspace: &Workspace, domain: SendingDomainId) -> anyhow::Result<()> {
    let details = workspace.sending_domain(domain).await?;
    let keys = details.keys.iter().map(|key| (key.id, KeySeen::Published)).collect();
    let next_check_at = UnixMs(now().0 + UnixMs::DAY);
    let check = DomainCheck { domain, records: Vec::new(), keys, began_at: now(), next_check_at };
    store.settle_domain_check(check, now()).await?;
    Ok(())
}

fn measure(algorithm: DkimAlgorithm) -> anyhow::Result<Duration> {
    const PLACE: &str = "bench";
    let keys = Keys::new(&[7; 32]);
    let sealed = make_dkim_key(algorithm)?.seal(&keys, PLACE);
    let key = DkimKey::open(&keys, PLACE, algorithm, "bench", &sealed)?;
    let header = vec![b'x'; HEADER_OCTETS];
    let times = match algorithm {
        DkimAlgorithm::Rsa2048 => MEASURED_RSA,
        DkimAlgorithm::Ed25519 => MEASURED_ED25519,
    };
    let cores = u32::try_from(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))?;
    let sign = || {
        for _ in 0..times / cores {
            std::hint::black_box(key.sign(std::hint::black_box(&header))?);
        }
        Ok::<_, DkimError>(())
    };
    let began = cpu_time()?;
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(sign)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let used = cpu_time()? - began;
    for thread in done {
        thread.map_err(|_| anyhow::anyhow!("a thread that signed ended"))?.context("a bare signature")?;
    }
    Ok(used / (times / cores * cores))
}
