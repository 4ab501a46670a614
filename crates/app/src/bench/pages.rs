//! `tidings bench pages`: builds millions of subscribers and deliveries in PostgreSQL, starts `tidings web` as a process of its own, signs
//! in, and measures how long the pages take over HTTP that people look at most.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::Rng;
use tidings_compose::Keys;
use tidings_domain::{CampaignState, UnixMs};
use tidings_queue::{Queue, QueueOptions};
use tidings_store::{
    BenchState, CampaignDetails, CampaignId, CampaignTab, ListId, Store, StoreOptions, UserId, Workspace,
};
use tidings_web::{WebConfig, WebState, sign_in_link};
use tidings_worker::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::fan_out::{details, domains, route, sender};
use crate::scene;

/// Rows of one transaction.
const ROWS_AT_ONCE: i64 = 100_000;
/// The deliveries are those of so many campaigns; the last one is still sending.
const CAMPAIGNS: i64 = 50;
/// The campaigns were launched in so many months, the present one among them.
const MONTHS: i64 = 5;
const MONTH_MS: i64 = 30 * 24 * 3_600 * 1_000;
const START_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The slowest page but one in a hundred takes at most so long.
const TARGET: Duration = Duration::from_millis(100);
/// The installation is the same one at every run: 32 octets in base64.
const INSTANCE_KEY: &str = "YmVuY2ggcGFnZXMsIG5vYm9keSdzIHNlY3JldCEhISE=";
/// Opens the file and the caches of the server; not measured.
const WARM_UP: usize = 3;

#[derive(clap::Args)]
pub struct PagesArguments {
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: i64,
    #[arg(long, default_value_t = 5_000_000)]
    deliveries: i64,
    /// A PostgreSQL database of its own: empty, or one that this command has filled before, also in part.
    #[arg(long)]
    database: String,
    /// A Redis for the queue's page.
    #[arg(long)]
    redis: String,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 200)]
    requests: usize,
}

pub async fn run(arguments: PagesArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let store = Store::open(&arguments.database, StoreOptions::default()).await?;
    let world = World::build(&store, &arguments).await?;
    let web = Web::start(folder.path(), &store, &arguments, world.admin).await?;
    println!(
        "{} subscribers, {} deliveries in {CAMPAIGNS} campaigns over {MONTHS} months; each page {} times over HTTP",
        arguments.subscribers, arguments.deliveries, arguments.requests
    );
    println!("{:<44}{:>10}{:>10}", "", "p50 ms", "p99 ms");
    let mut slowest = Duration::ZERO;
    for (name, path) in world.pages() {
        let mut took = Vec::with_capacity(arguments.requests);
        for round in 0..arguments.requests + WARM_UP {
            let began = Instant::now();
            web.get(&path(round)).await.with_context(|| format!("the page {name}"))?;
            took.extend((round >= WARM_UP).then(|| began.elapsed()));
        }
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        println!("{name:<44}{:>10.1}{:>10.1}", ms(at(50)), ms(at(99)));
        slowest = slowest.max(at(99));
    }
    println!("at most {} ms at p99 is asked for", TARGET.as_millis());
    Ok(if slowest <= TARGET { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct World {
    admin: UserId,
    /// The one that is sending, and a large one that is done.
    sending: CampaignId,
    done: CampaignId,
    people: i64,
}

type PathOf = Box<dyn Fn(usize) -> String>;

impl World {
    /// Makes what is missing: who stops it goes on where it was.
    async fn build(store: &Store, arguments: &PagesArguments) -> anyhow::Result<Self> {
        let (scene, list) = stage(store).await?;
        add_people(&scene.workspace, list, arguments.subscribers).await?;
        let each = arguments.deliveries / CAMPAIGNS;
        let mut campaigns = Vec::new();
        for number in 0..CAMPAIGNS {
            campaigns.push(campaign(store, &scene, list, number, each).await?);
        }
        store.bench_analyze().await?;
        let (sending, done) = (campaigns[campaigns.len() - 1], campaigns[campaigns.len() / 2]);
        Ok(Self { admin: scene.admin, sending, done, people: each.min(arguments.subscribers) })
    }

    fn pages(&self) -> Vec<(&'static str, PathOf)> {
        let (sending, done, people) = (self.sending, self.done, self.people);
        let deep = move || rand::rng().random_range(1..people.max(2));
        vec![
            ("campaigns", Box::new(|_| "/campaigns?state=all".to_owned())),
            ("overview of one that is sending", Box::new(move |_| format!("/campaigns/{sending}"))),
            ("overview of one that is done", Box::new(move |_| format!("/campaigns/{done}"))),
            ("its people, first page", Box::new(move |_| format!("/campaigns/{done}/people"))),
            ("its people, somewhere deep", Box::new(move |_| format!("/campaigns/{done}/people?after=s{}", deep()))),
            ("those that bounced", Box::new(move |_| format!("/campaigns/{done}/people?state=hard_bounced"))),
            ("those that wait, of the other", Box::new(move |_| format!("/campaigns/{sending}/people?state=queued"))),
            (
                "one of them by address",
                Box::new(move |_| {
                    let person = deep();
                    format!("/campaigns/{done}/people?q=person{person}%40d{}.bench.example", person % 40)
                }),
            ),
            ("subscribers, first page", Box::new(|_| "/subscribers".to_owned())),
            ("subscribers, somewhere deep", Box::new(move |_| format!("/subscribers?after={}", deep()))),
            (
                "subscribers by the beginning of an address",
                Box::new(move |_| format!("/subscribers?q=person{}", deep())),
            ),
            ("one subscriber with all that he got", Box::new(move |_| format!("/subscribers/{}", deep()))),
            ("queues", Box::new(|_| "/queues".to_owned())),
        ]
    }
}

const LIST: &str = "Bench";

/// The workspace, made at the first run.
async fn stage(store: &Store) -> anyhow::Result<(scene::Scene, ListId)> {
    let Some(admin) = store.user_by_email(sender().from_email.to_owned()).await? else {
        ensure!(!store.has_users().await?, "the database is somebody's: name one of its own");
        let scene = scene::set_up(store, &sender(), route()).await?;
        let list = scene.workspace.create_list(LIST.to_owned(), String::new(), now()).await?;
        store.save_domain_providers(domains(), UnixMs(i64::MAX)).await?;
        return Ok((scene, list));
    };
    let workspace = store.first_workspace().await?.context("the workspace is gone")?;
    let workspace = store.workspace(workspace.id);
    let lists = workspace.lists().await?;
    let list = lists.into_iter().find(|list| list.list.name == LIST).context("the list is gone")?;
    let route = workspace.route().await?.context("the route is gone")?;
    Ok((scene::Scene { workspace, admin: admin.id, route: route.id }, list.list.id))
}

async fn add_people(workspace: &Workspace, list: ListId, wanted: i64) -> anyhow::Result<()> {
    let mut there = workspace.list(list).await?.subscribed;
    while there < wanted {
        let last = (there + ROWS_AT_ONCE).min(wanted);
        workspace.bench_people(list, there + 1, last, now()).await?;
        there = last;
        eprint!("\r{there} of {wanted} subscribers ");
    }
    eprintln!();
    Ok(())
}

/// The campaign with that number, with `rows` deliveries.
async fn campaign(
    store: &Store,
    scene: &scene::Scene,
    list: ListId,
    number: i64,
    rows: i64,
) -> anyhow::Result<CampaignId> {
    let months_ago = (CAMPAIGNS - 1 - number) * MONTHS / CAMPAIGNS;
    let launched_at = UnixMs(now().0 - months_ago * MONTH_MS);
    let state = if number == CAMPAIGNS - 1 { BenchState::Sending } else { BenchState::Done };
    let (id, mut made) = match find(&scene.workspace, number).await? {
        Some((id, _, Some(total))) => return ensure_total(id, total, rows),
        Some((id, is_draft, None)) => {
            if is_draft {
                scene::launch_at(scene, id, LIST, launched_at).await?;
            }
            (id, store.bench_made(id).await?)
        }
        None => {
            let plan = scene::CampaignPlan { details: named(number), html: super::send::html(1_000), track: false };
            let id = scene::draft(&scene.workspace, list, plan).await?;
            scene::launch_at(scene, id, LIST, launched_at).await?;
            (id, 0)
        }
    };
    while made < rows {
        let written = store.bench_rows(id, state, ROWS_AT_ONCE.min(rows - made), launched_at).await?;
        ensure!(written > 0, "a campaign wants {rows} rows and there are not so many subscribers");
        made += written;
        eprint!("\rcampaign {} of {CAMPAIGNS}: {made} rows ", number + 1);
    }
    store.bench_end(id, state, launched_at).await?;
    Ok(id)
}

fn ensure_total(id: CampaignId, total: i64, rows: i64) -> anyhow::Result<CampaignId> {
    ensure!(total == rows, "the database holds campaigns of {total} rows, not {rows}: name an empty one");
    Ok(id)
}

fn named(number: i64) -> CampaignDetails {
    CampaignDetails { name: format!("Bench {number}"), ..details() }
}

/// The campaign, whether it is a draft still, and its audience once that is complete.
async fn find(workspace: &Workspace, number: i64) -> anyhow::Result<Option<(CampaignId, bool, Option<i64>)>> {
    let name = named(number).name;
    let found = workspace.campaigns(CampaignTab::All, &name, None, CAMPAIGNS).await?;
    let head = found.into_iter().map(|row| row.head).find(|head| head.name == name);
    Ok(head.map(|head| (head.id, head.state == CampaignState::Draft, head.audience_total)))
}

/// `tidings web`, and a session of its admin.
struct Web {
    _child: Child,
    address: SocketAddr,
    cookies: String,
}

impl Web {
    async fn start(folder: &Path, store: &Store, arguments: &PagesArguments, admin: UserId) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let child = Command::new(std::env::current_exe().context("where this program lies")?)
            .arg("web")
            .env("TIDINGS_DATA_DIR", folder)
            .env("DATABASE_URL", &arguments.database)
            .env("REDIS_URL", &arguments.redis)
            .env("TIDINGS_SECRET_KEY", INSTANCE_KEY)
            .env("TIDINGS_LISTEN", address.to_string())
            .env("TIDINGS_LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting tidings web")?;
        let mut web = Self { _child: child, address, cookies: String::new() };
        web.wait().await?;
        web.sign_in(store, admin).await?;
        Ok(web)
    }

    async fn wait(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            ensure!(began.elapsed() < START_WITHIN, "tidings web does not listen: its words stand above");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// As a person does: by the link, and the button on its page.
    async fn sign_in(&mut self, store: &Store, admin: UserId) -> anyhow::Result<()> {
        let config = WebConfig::new(format!("http://{}", self.address), "");
        let queue = Queue::embedded(QueueOptions::default());
        let state = WebState::new(store.clone(), queue, Arc::new(Keys::new(&[0; 32])), config);
        let link = sign_in_link(&state, admin).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let path = link.trim_start_matches(&format!("http://{}", self.address)).to_owned();
        let (_, page) = self.ask(&format!("GET {path} HTTP/1.1"), "").await?;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let form = format!("csrf={}", csrf.context("the page has no token")?);
        let (status, _) = self.ask(&format!("POST {path} HTTP/1.1"), &form).await?;
        ensure!(status == 303, "signing in was answered with {status}");
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<()> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}", self.address, self.cookies);
        let (status, ..) = exchange(self.address, &format!("{head}\r\nConnection: close\r\n\r\n")).await?;
        ensure!(status == 200, "{path} was answered with {status}");
        Ok(())
    }

    /// Keeps the cookies that come back.
    async fn ask(&mut self, line: &str, form: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "{line}\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {2}\r\nConnection: close\r\n\r\n{form}",
            self.address,
            self.cookies,
            form.len()
        );
        let (status, head, body) = exchange(self.address, &request).await?;
        let mut jar: HashMap<String, String> = HashMap::new();
        let old = self.cookies.split("; ").map(str::to_owned);
        let new =
            head.lines().filter_map(|l| l.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")));
        let new = new.filter_map(|(_, value)| value.split(';').next().map(str::to_owned));
        for pair in old.chain(new) {
            if let Some((name, value)) = pair.split_once('=') {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        self.cookies = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        Ok((status, body))
    }
}

/// One request on a connection of its own: status, head and body.
async fn exchange(address: SocketAddr, request: &str) -> anyhow::Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address).await.context("connecting to tidings web")?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("a short answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok((status, head.to_owned(), body.to_owned()))
}
