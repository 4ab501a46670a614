//! The whole job in a browser, from the first run to Done, and a look at every page in four views.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tidings_tests::binary::{Server, command};
use tidings_tests::browser::{Browser, VIEWS};
use tidings_tests::every_page::{NEWCOMERS, SHOWCASE};
use tidings_tests::showcase::Showcase;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

const SUBSCRIBERS: &str = "200";

/// `tidings sandbox`, and what it tells a server.
async fn sandbox() -> anyhow::Result<(Child, Vec<(String, String)>)> {
    let mut child = command().args(["sandbox", "--subscribers", SUBSCRIBERS]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut settings = Vec::new();
    while settings.len() < 3 {
        let line = lines.next_line().await?.context("the sandbox ended")?;
        let (name, value) = line.split_once('=').context("a setting")?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok((child, settings))
}

fn write_people(path: &Path) -> anyhow::Result<()> {
    let mut text = String::from("E-mail,First name,Last name,City\n");
    for number in 0..100 {
        text.push_str(&format!("person{number}@postbox.example,Ana{number},Silva,Porto\n"));
    }
    text.push_str("unknown.one@strictmail.example,Una,Known,Lisbon\nnot an address,No,Body,Nowhere\n");
    Ok(std::fs::write(path, text)?)
}

#[tokio::test]
async fn a_newcomer_does_the_whole_job() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let people = folder.path().join("people.csv");
    write_people(&people)?;
    let (_sandbox, settings) = sandbox().await?;
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let server = Server::start_for_sandbox(&folder.path().join("data"), &settings, SUBSCRIBERS).await;
    let browser = Browser::start().await?;
    browser.view(VIEWS[0]).await?;

    set_up(&browser, server.setup_link.as_deref().context("the set-up link")?).await?;
    import(&browser, &server.url, &people).await?;
    let campaign = write_campaign(&browser, &server.url).await?;
    launch(&browser, &campaign).await?;
    browser.shows_in("#campaign-badge", "Done").await?;
    browser.open(&format!("{campaign}/people?state=hard_bounced")).await?;
    browser.shows("unknown.one@strictmail.example").await?;
    browser.shows("550 5.1.1").await?;

    duplicate(&browser, &campaign).await?;
    look_at(&browser, &server.url, NEWCOMERS).await?;
    browser.quit().await?;
    assert_eq!(server.stop().await, Some(0));
    Ok(())
}

async fn set_up(browser: &Browser, link: &str) -> anyhow::Result<()> {
    browser.open(link).await?;
    browser.fill("name", "Ana Silva").await?;
    browser.fill("email", "ana@shop.example").await?;
    browser.fill("password", "seven lazy foxes read").await?;
    submit(browser).await?;
    browser.fill("name", "Harbour Shop").await?;
    browser.fill("postal_address", "1 Harbour Street, Porto").await?;
    submit(browser).await?;
    browser.fill("from_name", "Harbour Shop").await?;
    browser.fill("from_email", "news@shop.example").await?;
    browser.click("Directly").await?;
    submit(browser).await?;
    browser.shows("Home").await
}

async fn submit(browser: &Browser) -> anyhow::Result<()> {
    let button =
        browser.driver.find(thirtyfour::By::Css("main form .button-primary")).await.context("no primary button")?;
    button.scroll_into_view().await?;
    Ok(button.click().await?)
}

async fn import(browser: &Browser, url: &str, people: &Path) -> anyhow::Result<()> {
    browser.open(&format!("{url}/imports/new")).await?;
    let file = browser.driver.find(thirtyfour::By::Css("input[type=file]")).await.context("no file field")?;
    file.send_keys(people.to_string_lossy()).await?;
    browser.fill("list_name", "Newsletter").await?;
    browser.fill("consent_source", "Sign-up form on our site").await?;
    submit(browser).await?;
    browser.shows("What happens").await?;
    browser.click("Start import").await?;
    browser.shows("101").await
}

async fn write_campaign(browser: &Browser, url: &str) -> anyhow::Result<String> {
    browser.open(&format!("{url}/campaigns/new")).await?;
    browser.fill("name", "Autumn letter").await?;
    submit(browser).await?;
    browser.shows("Checklist").await?;
    let campaign = browser.driver.current_url().await?.to_string();
    let campaign = campaign.split('?').next().unwrap_or_default().to_owned();
    browser.open(&format!("{campaign}/recipients")).await?;
    browser.click("Send to").await?;
    browser.click("Save recipients").await?;
    browser.open(&format!("{campaign}/details")).await?;
    browser.fill("subject", "Hello {{ first_name }}").await?;
    submit(browser).await?;
    Ok(campaign)
}

async fn launch(browser: &Browser, campaign: &str) -> anyhow::Result<()> {
    browser.open(&format!("{campaign}/launch")).await?;
    browser.click("Send to 101 people now").await
}

async fn duplicate(browser: &Browser, campaign: &str) -> anyhow::Result<()> {
    browser.open(campaign).await?;
    browser.click("Duplicate").await?;
    browser.shows("Checklist").await
}

/// Accessibility, overflow, policy, scripts, at the widths and in the colours that people have.
async fn look_at(browser: &Browser, url: &str, pages: &[&str]) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for view in VIEWS {
        for page in pages {
            browser.view(*view).await?;
            browser.open(&format!("{url}{page}")).await?;
            for fault in browser.faults(url).await? {
                faults.push(format!("{page} at {view:?}: {fault}"));
            }
            if let Some(folder) = std::env::var_os("TIDINGS_TEST_PICTURES") {
                browser.picture(*view, page, Path::new(&folder)).await?;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// With something on each of them.
#[tokio::test]
async fn every_page_can_be_read_when_it_has_much_to_say() -> anyhow::Result<()> {
    let showcase = Showcase::start().await?;
    let browser = Browser::start().await?;
    browser.open(&showcase.sign_in).await?;
    browser.click("Sign in").await?;
    browser.shows("Home").await?;
    look_at(&browser, &showcase.url, SHOWCASE).await?;
    browser.quit().await?;
    showcase.stop().await
}
