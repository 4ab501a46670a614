use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Client;
use reqwest::redirect::Policy;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// Fetches a document. Only addresses come here that [`tidings_bounce::webhook::sns`] has found to be of SNS.
pub trait Fetch: Send + Sync {
    /// The body of a 200, if it has at most `most_bytes`; else what went wrong, in words.
    fn fetch(&self, url: String, most_bytes: usize) -> BoxFuture<'static, Result<Vec<u8>, String>>;
}

/// By HTTPS with the certificate authorities of the web, and nowhere else than asked: no redirect, no proxy.
#[derive(Default)]
pub struct Https {
    /// Made for the first post of SNS: most installations never need it.
    client: OnceLock<Result<Client, String>>,
}

impl Fetch for Https {
    fn fetch(&self, url: String, most_bytes: usize) -> BoxFuture<'static, Result<Vec<u8>, String>> {
        let client = self.client.get_or_init(client).clone();
        Box::pin(async move { get(&client?, &url, most_bytes).await })
    }
}

fn client() -> Result<Client, String> {
    let made = Client::builder()
        .https_only(true)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(FETCH_WITHIN)
        // One document in months: a connection that waits for the next would only tie us to the thread that opened it.
        .pool_max_idle_per_host(0)
        .build();
    made.map_err(|error| words(&error))
}

async fn get(client: &Client, url: &str, most_bytes: usize) -> Result<Vec<u8>, String> {
    let mut answer = client.get(url).send().await.map_err(|error| words(&error))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| words(&error))? {
        if octets.len() + chunk.len() > most_bytes {
            return Err(format!("it is longer than {most_bytes} bytes"));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

/// With the causes, which say what it was.
fn words(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_fetched_without_tls() {
        let https = Https::default();
        let refused = https.fetch("http://127.0.0.1:9/cert.pem".to_owned(), 10).await;
        assert!(refused.is_err_and(|why| why.contains("URL scheme is not allowed")));
        let unreachable = https.fetch("https://127.0.0.1:9/cert.pem".to_owned(), 10).await;
        assert!(unreachable.is_err_and(|why| why.contains("refused")));
    }
}
