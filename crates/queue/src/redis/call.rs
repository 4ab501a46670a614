//! One call of a function: asked until it is answered, or until the caller's patience ends.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::{Instant, sleep};

use super::channels::Request;
use super::library::{LIBRARY, VERSION};
use super::reply::{self, Header};
use super::trouble::{Failure, understand};
use super::{RedisClock, Shared};
use crate::{Limits, Trouble};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// An instant before any other, for a clock that counts from its start.
const TOKIO_CLOCK_BASE_US: u128 = 1_000_000_000_000;

/// How long a call tries.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// As long as the caller waits.
    Endless,
    /// At least once.
    Until(Instant),
}

/// A function and its arguments.
#[derive(Debug)]
pub struct Call {
    pub partition: usize,
    pub function: &'static str,
    pub args: Vec<String>,
    /// Doing it twice would not be the same as once: the server remembers it.
    pub once: bool,
}

/// Patience ended.
#[derive(Debug)]
pub struct GaveUp;

impl Shared {
    pub async fn call(&self, call: &Call, patience: Patience) -> Result<(Header, Vec<Value>), GaveUp> {
        let lent = call.once.then(|| self.channels.lend());
        let request = lent.as_ref().map_or(Request { channel: 0, number: 0 }, |l| l.request);
        self.call_as(call, request, patience).await
    }

    /// With a request id that the caller keeps, to ask again when patience has ended.
    pub async fn call_as(
        &self,
        call: &Call,
        request: Request,
        patience: Patience,
    ) -> Result<(Header, Vec<Value>), GaveUp> {
        let mut pause = FIRST_PAUSE;
        loop {
            let (trouble, why) = match self.try_call(call, request).await {
                Ok((header, reply)) => {
                    self.note(call.partition, header, call.function.starts_with("push"));
                    return Ok((header, reply));
                }
                Err(failure) => failure,
            };
            self.note_trouble(call.partition, trouble, why);
            // Jitter: all workers lose the server at the same moment.
            let rest = pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            if let Patience::Until(end) = patience
                && Instant::now() + rest >= end
            {
                return Err(GaveUp);
            }
            sleep(rest).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_call(&self, call: &Call, request: Request) -> Result<(Header, Vec<Value>), (Trouble, String)> {
        let _stopped = stop_the_test_clock(self.clock);
        let command = self.command(call, request);
        let mut loaded = false;
        loop {
            let (error, connection) = match self.wire.ask(&command).await {
                Ok(value) => return reply::split(value).map_err(|odd| (Trouble::Other, odd.to_string())),
                Err(error) => error,
            };
            match understand(&error) {
                Failure::NoFunctions if !loaded => {
                    loaded = true;
                    self.load_functions().await?;
                }
                Failure::NoFunctions => return Err((Trouble::Other, error.to_string())),
                Failure::Trouble { trouble, why, reconnect } => {
                    if reconnect {
                        self.wire.reconnect(connection).await;
                    }
                    return Err((trouble, why));
                }
            }
        }
    }

    /// In a cluster, into every master.
    pub async fn load_functions(&self) -> Result<(), (Trouble, String)> {
        let mut command = redis::cmd("FUNCTION");
        command.arg("LOAD").arg("REPLACE").arg(LIBRARY.as_str());
        match self.wire.ask(&command).await {
            Ok(_) => Ok(()),
            Err((error, connection)) => match understand(&error) {
                Failure::NoFunctions => Err((Trouble::Other, error.to_string())),
                Failure::Trouble { trouble, why, reconnect } => {
                    if reconnect {
                        self.wire.reconnect(connection).await;
                    }
                    Err((trouble, why))
                }
            },
        }
    }

    fn command(&self, call: &Call, request: Request) -> Cmd {
        let mut command = redis::cmd("FCALL");
        command.arg(format!("{}_{}", *VERSION, call.function)).arg(1).arg(self.base(call.partition));
        command.arg(self.now()).arg(&self.client).arg(request.channel).arg(request.number);
        let options = &self.options;
        command.arg(&limits(options.default_limits));
        for duration in [options.lease, options.recovery_interval] {
            command.arg(micros(duration));
        }
        command.arg(options.recovery_jobs).arg(micros(options.reaction_time)).arg(options.turn_messages);
        command.arg(micros(options.forget_after)).arg(self.partitions.len());
        call.args.iter().for_each(|arg| {
            command.arg(arg);
        });
        command
    }

    /// Empty asks for the server's clock.
    fn now(&self) -> String {
        match self.clock {
            RedisClock::Server => String::new(),
            RedisClock::Tokio(from) => (TOKIO_CLOCK_BASE_US + from.elapsed().as_micros()).to_string(),
        }
    }
}

/// A paused clock of tokio runs ahead whenever all tasks wait, for a reply too. A thread that is busy holds it.
pub fn stop_the_test_clock(clock: RedisClock) -> Option<std::sync::mpsc::Sender<()>> {
    matches!(clock, RedisClock::Tokio(_)).then(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || receiver.recv().ok());
        sender
    })
}

/// In the order of `Q.LIMITS`.
pub fn limits(limits: Limits) -> [String; 7] {
    let Limits { per_second, burst, per_minute, per_hour, per_day, connections, messages_per_connection } = limits;
    let [burst, minute, hour, day, connections, messages] =
        [burst, per_minute, per_hour, per_day, connections, messages_per_connection].map(|n| n.to_string());
    [per_second.to_string(), burst, minute, hour, day, connections, messages]
}

pub fn micros(duration: Duration) -> String {
    duration.as_micros().to_string()
}
