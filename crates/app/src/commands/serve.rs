use std::process::ExitCode;
use std::time::Duration;

use tidings_domain::{Lane, ProcessRole, Word};
use tidings_queue::Lanes;
use tidings_sandbox::WorldOptions;

use crate::config::{Config, check_worker_id};
use crate::runtime::{Running, Tuning};
use crate::stop_signals::StopSignals;
use crate::{sandbox_world, telemetry};

/// The exit code after a second signal: not all was finished.
const ENDED_IN_A_HURRY: i32 = 1;

#[derive(clap::Args)]
pub struct ServeArguments {
    /// SMTP connections of this process at one time, instead of TIDINGS_MAX_CONNECTIONS.
    #[arg(long, value_name = "CONNECTIONS", value_parser = clap::value_parser!(u16).range(1..=5000))]
    concurrency: Option<u16>,
    /// The name of this process among the others, instead of TIDINGS_WORKER_ID. No two that live may have the same.
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Send only what lies in these lanes: transactional, automation, bulk, with commas between. Some other process has to serve the rest.
    #[arg(long, value_name = "LANES", value_delimiter = ',', value_parser = lane)]
    lanes: Vec<Lane>,
    /// After the order to stop, messages in flight may take this long, instead of TIDINGS_DRAIN_SECONDS.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    drain: Option<u64>,
    /// Send to `tidings sandbox` started for an audience of this size: its providers, and seconds for hours.
    #[arg(long, value_name = "SUBSCRIBERS")]
    sandbox_audience: Option<u64>,
    /// Messages a second to each of its providers: the crash harness wants campaigns that last.
    #[arg(long, hide = true, requires = "sandbox_audience")]
    sandbox_pace: Option<u32>,
}

fn lane(word: &str) -> Result<Lane, String> {
    Lane::parse(word.trim()).map_err(|_| "a lane is transactional, automation or bulk".to_owned())
}

/// The same for every role: start, say where, wait for the order to stop, stop.
pub async fn run(arguments: ServeArguments, mut config: Config, role: ProcessRole) -> anyhow::Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    arguments.overrule(&mut config)?;
    let telemetry = telemetry::start(&config, role)?;
    let tuning = match arguments.sandbox_audience {
        Some(subscribers) => arguments.for_sandbox(subscribers)?,
        None => Tuning::world()?,
    };
    let running = tokio::select! {
        running = Running::start(&config, tuning, role) => running?,
        // A database that does not answer must not hold the end up. The loops are started last, all at once: none runs yet.
        signal = signals.next() => {
            println!("{signal} received while starting: ending; nothing was in flight");
            std::process::exit(0);
        }
    };
    if role.serves_pages() {
        greet(&running, &config).await?;
    } else {
        println!("Tidings {} runs as a {role}", env!("CARGO_PKG_VERSION"));
    }
    tokio::select! {
        signal = signals.next() => println!("{signal} received: finishing what is in flight"),
        () = running.stopped() => {}
    }
    tokio::select! {
        () = running.stop() => println!("stopped"),
        signal = signals.next() => {
            println!("{signal} received again: ending at once; what was in flight is in doubt");
            std::process::exit(ENDED_IN_A_HURRY);
        }
    }
    telemetry.end().await;
    Ok(ExitCode::SUCCESS)
}

impl ServeArguments {
    fn for_sandbox(&self, subscribers: u64) -> anyhow::Result<Tuning> {
        let throttled = WorldOptions::for_audience(subscribers).throttle_per_second;
        match self.sandbox_pace {
            Some(pace) => sandbox_world::tuning_at(throttled, f64::from(pace)),
            None => sandbox_world::tuning(throttled),
        }
    }

    /// What stands on the command line wins.
    fn overrule(&self, config: &mut Config) -> anyhow::Result<()> {
        if let Some(connections) = self.concurrency {
            config.max_connections = connections.into();
        }
        if !self.lanes.is_empty() {
            config.lanes = Lanes::of(self.lanes.iter().filter_map(|lane| u8::try_from(lane.code()).ok()));
        }
        if let Some(id) = &self.id {
            config.worker_id = Some(check_worker_id(id.clone())?);
        }
        if let Some(seconds) = self.drain {
            config.drain = Duration::from_secs(seconds);
        }
        Ok(())
    }
}

async fn greet(running: &Running, config: &Config) -> anyhow::Result<()> {
    println!("Tidings {} is at {}", env!("CARGO_PKG_VERSION"), running.public_url);
    let link = tidings_web::setup_link(&running.web_state(config)).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    if let Some(link) = link {
        println!("First run: set it up at {link}");
        println!("(the link works once, for a week; start again for a new one)");
    }
    Ok(())
}
