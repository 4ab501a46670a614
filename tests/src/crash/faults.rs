//! Makes things go wrong, and takes back what lasts when its time is over.

use std::time::{Duration, Instant};

use anyhow::Context;
use rand::Rng;
use rand::rngs::StdRng;
use tidings_testing::{COMMIT, FaultProxy, Then};
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::event::{Done, Event, Server};
use super::fleet::Fleet;
use super::ground::{Apart, Ground, Servers};
use super::schedule::{BAD_NETWORK_FOR, DISK_FULL_FOR, FROZEN_FOR};
use crate::binary::command;

const DELAY: Duration = Duration::from_millis(120);
/// A process that may not run says so within this.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
/// The queue's functions whose replies may be lost.
const FUNCTIONS: &[&str] = &["_push\r\n", "_claim\r\n", "_more\r\n", "_settle\r\n", "_close\r\n"];

/// What has to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relief {
    Quick(Server),
    Heard(Server),
    RoomOnDisk,
}

/// What is wrong now.
#[derive(Default)]
pub struct Faults {
    later: Vec<(Instant, Relief)>,
    /// What could not be tried here, and why.
    pub skipped: Option<String>,
}

impl Faults {
    /// Says what it did, and whether it could be done.
    ///
    /// # Errors
    /// A process of ours cannot be handled.
    pub async fn make(
        &mut self,
        event: Event,
        ground: &mut Ground,
        fleet: &mut Fleet,
        random: &mut StdRng,
    ) -> anyhow::Result<Done> {
        match event {
            Event::Kill(role) => {
                let number = any_of(random, &fleet.of_role(role));
                fleet.kill(number).await?;
                return Ok(made(format!("killed {role} {number}")));
            }
            Event::Freeze(role) => {
                let number = any_of(random, &fleet.of_role(role));
                fleet.freeze(number, FROZEN_FOR)?;
                return Ok(made(format!("froze {role} {number}")));
            }
            Event::DiskFull => return Ok(self.fill_disk(ground)),
            Event::Double => return double_start(ground, fleet).await,
            _ => {}
        }
        let Servers::Apart(apart) = &mut ground.servers else { return Ok(not_made("nothing")) };
        match event {
            Event::RedisDies => block_in_place(|| apart.redis.die_and_come_back_empty()),
            Event::RedisFailsOver => block_in_place(|| apart.fail_over()),
            Event::RedisWiped => block_in_place(|| apart.redis.wipe()),
            Event::PostgresCrashes => {
                self.give_room(&apart.postgres);
                block_in_place(|| {
                    apart.postgres.crash();
                    apart.postgres.start_again();
                });
            }
            Event::CommitCut => apart.postgres_proxy.trap(COMMIT, Then::CutBeforeReply),
            Event::ReplyLost => {
                let function = FUNCTIONS[random.random_range(0..FUNCTIONS.len())];
                apart.redis_proxy.trap(function, Then::CutBeforeReply);
            }
            Event::Slow(server) => {
                proxy(apart, server).delay(DELAY);
                self.later(BAD_NETWORK_FOR, Relief::Quick(server));
            }
            Event::Silent(server) => {
                proxy(apart, server).silence(true);
                self.later(BAD_NETWORK_FOR, Relief::Heard(server));
            }
            Event::Cut(server) => proxy(apart, server).cut(),
            Event::HalfClosed(server) => proxy(apart, server).half_close(),
            _ => {}
        }
        Ok(made(format!("{event:?}")))
    }

    fn later(&mut self, after: Duration, relief: Relief) {
        self.later.push((Instant::now() + after, relief));
    }

    fn fill_disk(&mut self, ground: &Ground) -> Done {
        if let Some(why) = ground.disk().missing() {
            let words = format!("a full disk was not tried: no disk of its own can be mounted here ({why})");
            self.skipped = Some(words.clone());
            return not_made(words);
        }
        block_in_place(|| ground.disk().fill());
        self.later(DISK_FULL_FOR, Relief::RoomOnDisk);
        made("filled the disk")
    }

    fn give_room(&mut self, postgres: &tidings_testing::TestPostgres) {
        self.later.retain(|(_, relief)| *relief != Relief::RoomOnDisk);
        postgres.disk().free();
    }

    /// Takes back what has lasted long enough.
    pub fn tend(&mut self, ground: &Ground) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Relief)> = due;
        due.into_iter().for_each(|(_, relief)| relieve(relief, ground));
    }

    /// Takes everything back: from now on nothing is wrong.
    pub fn end(&mut self, ground: &Ground) {
        std::mem::take(&mut self.later).into_iter().for_each(|(_, relief)| relieve(relief, ground));
        if let Servers::Apart(apart) = &ground.servers {
            apart.postgres_proxy.disarm();
            apart.redis_proxy.disarm();
        }
    }
}

fn relieve(relief: Relief, ground: &Ground) {
    match (relief, &ground.servers) {
        (Relief::Quick(server), Servers::Apart(apart)) => proxy(apart, server).delay(Duration::ZERO),
        (Relief::Heard(server), Servers::Apart(apart)) => proxy(apart, server).silence(false),
        (Relief::RoomOnDisk, Servers::Apart(apart)) => {
            apart.postgres.disk().free();
            // Without room for its log it ended itself, and an operator who made room starts it.
            block_in_place(|| {
                if !apart.postgres.is_up() {
                    apart.postgres.start_again();
                }
            });
        }
        (Relief::RoomOnDisk, Servers::Alone(disk)) => disk.free(),
        (Relief::Quick(_) | Relief::Heard(_), Servers::Alone(_)) => {}
    }
}

const fn proxy(apart: &Apart, server: Server) -> &FaultProxy {
    match server {
        Server::Postgres => &apart.postgres_proxy,
        Server::Redis => &apart.redis_proxy,
    }
}

fn made(words: impl Into<String>) -> Done {
    Done { words: words.into(), met: true }
}

fn not_made(words: impl Into<String>) -> Done {
    Done { words: words.into(), met: false }
}

fn any_of(random: &mut StdRng, numbers: &[usize]) -> usize {
    numbers[random.random_range(0..numbers.len())]
}

/// Two processes on one SQLite file would each call the other's messages in flight leftovers of a crash.
async fn double_start(ground: &Ground, fleet: &Fleet) -> anyhow::Result<Done> {
    for address in fleet.pages() {
        if TcpStream::connect(address).await.is_err() {
            return Ok(not_made("no process runs that a second one could disturb"));
        }
    }
    let second = command().arg("serve").envs(ground.environment()).env("TIDINGS_LISTEN", "127.0.0.1:0").output();
    let second = timeout(REFUSED_WITHIN, second).await.context("a second process was not refused")??;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    anyhow::ensure!(said.contains("another Tidings process"), "a second process was not refused: {said}");
    Ok(made("a second process was refused"))
}
