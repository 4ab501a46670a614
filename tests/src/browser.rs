//! A headless Chromium, driven through chromedriver. Both come from Debian's packages.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use thirtyfour::ChromeCapabilities;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
/// The longest that a page may take to show what it should.
const SHOWS_WITHIN: Duration = Duration::from_secs(90);

/// Of a picture, in pixels.
const MAX_PICTURE: u32 = 12_000;

/// Width, height, dark: where every page is looked at.
pub const VIEWS: &[(u32, u32, bool)] = &[(1360, 900, false), (1360, 900, true), (390, 844, false), (320, 640, false)];

pub struct Browser {
    pub driver: WebDriver,
    _chromedriver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// # Errors
    /// Chromium or its driver is not installed: says how to.
    pub async fn start() -> anyhow::Result<Self> {
        anyhow::ensure!(
            Path::new(CHROMEDRIVER).exists() && Path::new(CHROMIUM).exists(),
            "no browser: apt-get install chromium chromium-driver fonts-liberation"
        );
        let mut child = Command::new(CHROMEDRIVER).arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let port = loop {
            let line = lines.next_line().await?.context("chromedriver ended")?;
            if let Some(port) = line.split("successfully on port ").nth(1) {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let profile = tempfile::tempdir()?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities(profile.path())?).await?;
        let browser = Self { driver, _chromedriver: child, _profile: profile };
        // Collects what the page's policy forbids and what its scripts throw, from the first moment on.
        let source = "window.__faults=[];addEventListener('securitypolicyviolation',e=>__faults.push('csp '+e.effectiveDirective+' '+e.blockedURI));\
                      addEventListener('error',e=>__faults.push('script '+e.message));";
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await?;
        Ok(browser)
    }

    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<()> {
        self.driver.cdp().send_raw(command, parameters).await?;
        Ok(())
    }

    pub async fn view(&self, (width, height, dark): (u32, u32, bool)) -> anyhow::Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }] });
        self.devtools("Emulation.setEmulatedMedia", media).await
    }

    /// # Errors
    /// The page does not load.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.driver.goto(url).await.with_context(|| url.to_owned())
    }

    /// Fills the field of that name, replacing what stands in it.
    ///
    /// # Errors
    /// There is no such field.
    pub async fn fill(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let field = self.driver.find(By::Name(name)).await.with_context(|| format!("no field {name}"))?;
        field.clear().await?;
        field.send_keys(text).await?;
        Ok(())
    }

    /// Clicks what a user would: the first visible button or link with this text.
    ///
    /// # Errors
    /// There is none.
    pub async fn click(&self, text: &str) -> anyhow::Result<()> {
        let path = format!(
            "//*[self::button or self::a or self::label][normalize-space(.)={0} or starts-with(normalize-space(.), {0})]",
            quoted(text)
        );
        for element in self.driver.find_all(By::XPath(path)).await? {
            if element.is_displayed().await? {
                element.scroll_into_view().await?;
                element.click().await.with_context(|| format!("clicking “{text}”"))?;
                return Ok(());
            }
        }
        anyhow::bail!(
            "nothing to click with the text “{text}” on {}: {}",
            self.driver.current_url().await?,
            self.text().await?
        )
    }

    /// # Errors
    /// The page has no body.
    pub async fn text(&self) -> anyhow::Result<String> {
        Ok(self.driver.find(By::Tag("body")).await?.text().await?)
    }

    /// Waits until the page shows the text, by itself.
    ///
    /// # Errors
    /// It does not.
    pub async fn shows(&self, text: &str) -> anyhow::Result<()> {
        let path = format!("//body[contains(., {})]", quoted(text));
        let shown = self.driver.query(By::XPath(path)).wait(SHOWS_WITHIN, Duration::from_millis(100)).exists().await?;
        anyhow::ensure!(shown, "“{text}” is not on {}: {}", self.driver.current_url().await?, self.text().await?);
        Ok(())
    }

    /// Waits until the element shows the text, by itself.
    ///
    /// # Errors
    /// It does not.
    pub async fn shows_in(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let wanted = text.to_owned();
        let has_text = move |element: WebElement| {
            let wanted = wanted.clone();
            async move { Ok(element.text().await.is_ok_and(|shown| shown.contains(&wanted))) }
        };
        let query = self.driver.query(By::Css(selector)).with_filter(has_text);
        let shown = query.wait(SHOWS_WITHIN, Duration::from_millis(100)).exists().await?;
        anyhow::ensure!(
            shown,
            "{selector} does not show “{text}” on {}: {}",
            self.driver.current_url().await?,
            self.text().await?
        );
        Ok(())
    }

    /// Everything wrong with the page as it stands: accessibility, overflow, policy, scripts, requests to elsewhere.
    ///
    /// # Errors
    /// The checks cannot run.
    pub async fn faults(&self, origin: &str) -> anyhow::Result<Vec<String>> {
        self.driver.execute(include_str!("../vendor/axe.min.js"), vec![]).await?;
        let found = self.driver.execute_async(CHECK, vec![json!(origin)]).await?;
        Ok(serde_json::from_value(found.json().clone())?)
    }

    /// Keeps a picture of the whole page, for who wants to look at it: `TIDINGS_TEST_PICTURES` names the folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn picture(&self, view: (u32, u32, bool), page: &str, folder: &Path) -> anyhow::Result<()> {
        let height = self.driver.execute("return document.documentElement.scrollHeight", vec![]).await?;
        let height = u32::try_from(height.json().as_u64().unwrap_or_default())?.clamp(view.1, MAX_PICTURE);
        self.view((view.0, height, view.2)).await?;
        let name = page.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let shade = if view.2 { "dark" } else { "light" };
        self.driver.screenshot(&folder.join(format!("{name}.{}-{shade}.png", view.0))).await?;
        Ok(())
    }

    /// # Errors
    /// The session is already gone.
    pub async fn quit(self) -> anyhow::Result<()> {
        self.driver.quit().await.map_err(Into::into)
    }
}

const CHECK: &str = r"
const [origin, done] = arguments;
const faults = [...(window.__faults || ['the fault collector is missing'])];
const over = document.documentElement.scrollWidth - innerWidth;
if (over > 0) {
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3);
  faults.push('overflows by ' + over + ' px: ' + wide.map(e => e.tagName + '.' + (e.getAttribute('class') || '')).join(' '));
}
if (document.querySelector('.alone-code')) faults.push('is an error: ' + document.title);
for (const r of performance.getEntriesByType('resource')) if (!r.name.startsWith(origin)) faults.push('asks elsewhere: ' + r.name);
axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], iframes: false })
  .then(r => { for (const v of r.violations) faults.push('axe ' + v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')); done(faults); })
  .catch(e => done(faults.concat('axe failed: ' + e)));
";

fn capabilities(profile: &Path) -> anyhow::Result<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(CHROMIUM)?;
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // A busy machine paints late, and a navigation that animates waits for its last picture of the old page.
        "--disable-features=ViewTransitionOnNavigation",
    ] {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    Ok(capabilities)
}

/// A text in XPath; the tests' texts have no double quote.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
