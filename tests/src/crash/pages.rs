//! A browser that presses the same buttons as a person, at whichever page server it is sent to.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use scraper::{Html, Selector};

/// A page server that is frozen does not answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

pub struct Pages {
    client: Client,
    servers: Vec<SocketAddr>,
    /// The session's, good at every server.
    token: String,
}

impl Pages {
    /// Signs in with a one-time link's path.
    ///
    /// # Errors
    /// The link is not taken.
    pub async fn sign_in(servers: Vec<SocketAddr>, link: &str) -> anyhow::Result<Self> {
        let client = Client::builder().cookie_store(true).redirect(Policy::none()).timeout(ANSWERS_WITHIN).build()?;
        let mut pages = Self { client, servers, token: String::new() };
        pages.token = pages.token_on(link).await?;
        let answer = pages.post(0, link, &[]).await?;
        ensure!(answer == StatusCode::SEE_OTHER, "signing in was answered with {answer}");
        pages.token = pages.token_on("/campaigns/new").await?;
        Ok(pages)
    }

    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    async fn token_on(&self, path: &str) -> anyhow::Result<String> {
        let page = self.client.get(self.address(0, path)).send().await?.text().await?;
        let selector = Selector::parse("input[name=csrf]").map_err(|e| anyhow::anyhow!("{e}"))?;
        let document = Html::parse_document(&page);
        let field = document.select(&selector).next().and_then(|field| field.value().attr("value"));
        field.map(str::to_owned).with_context(|| format!("no form on {path}"))
    }

    /// Presses a button at one of the servers, and says how it was answered.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn post(&self, server: usize, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<StatusCode> {
        let form: Vec<_> = fields.iter().copied().chain([("csrf", self.token.as_str())]).collect();
        Ok(self.client.post(self.address(server, path)).form(&form).send().await?.status())
    }

    /// The one click of a mailbox provider: without a cookie, as if from this address.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn one_click(&self, server: usize, token: &str, from: &str) -> anyhow::Result<StatusCode> {
        let form = [("List-Unsubscribe", "One-Click")];
        let stranger = Client::builder().timeout(ANSWERS_WITHIN).build()?;
        let request = stranger.post(self.address(server, &format!("/u/{token}"))).header("X-Forwarded-For", from);
        Ok(request.form(&form).send().await?.status())
    }

    fn address(&self, server: usize, path: &str) -> String {
        format!("http://{}{path}", self.servers[server % self.servers.len()])
    }
}
