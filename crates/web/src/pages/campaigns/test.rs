//! `/campaigns/{id}/test`: the message to a few addresses, with the peer's exact answer to each.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use tidings_compose::freeze;
use tidings_domain::{DeliveryState, EmailAddress};
use tidings_store::{CampaignHead, CampaignId, DeliveryId, Person, RouteId, SubscriberId, TestMessage, Way, Workspace};

use super::draft::{address, content_of, frozen_row, id_of};
use super::wording;
use crate::WebState;
use crate::filters;
use crate::flash::{Tone, flash};
use crate::form::Errors;
use crate::page::{Nav, Page, Show, fragment, see_other};
use crate::pages::sending::ways::{self, WayChoice};
use crate::problem::WebResult;
use crate::text::count_of;

const MAX_TEST_ADDRESSES: usize = 10;
/// The newest test messages that are shown.
const RESULTS_SHOWN: i64 = 20;

#[derive(Template)]
#[template(path = "campaigns/test.html")]
struct TestPage {
    page: Page,
    head: CampaignHead,
    to: String,
    as_email: String,
    errors: Errors,
    has_route: bool,
    ways: Vec<WayChoice>,
    way: String,
    results: Vec<TestResult>,
    is_waiting: bool,
}

impl Show for TestPage {
    fn page(&self) -> &Page {
        &self.page
    }
}

/// The answers alone, while the page waits for them.
#[derive(Template)]
#[template(path = "campaigns/test-results.html")]
struct ResultsPart {
    page: Page,
    head: CampaignHead,
    results: Vec<TestResult>,
    is_waiting: bool,
}

struct TestResult {
    recipient: String,
    tone: &'static str,
    state: &'static str,
    reason: String,
    reply: String,
    at_ms: i64,
    /// The delivery that waits, for the page that says why.
    waits: Option<DeliveryId>,
}

#[derive(Deserialize)]
pub struct TestForm {
    #[serde(default)]
    to: String,
    #[serde(default, rename = "as")]
    as_email: String,
    /// One route, for this test alone; empty: as the campaign leaves.
    #[serde(default)]
    way: String,
}

#[derive(Deserialize)]
pub struct Query {
    #[serde(default, rename = "as")]
    as_email: String,
    #[serde(default)]
    route: String,
}

pub async fn form(
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    query: web::Query<Query>,
) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let Query { as_email, route } = query.into_inner();
    let way = if route.is_empty() { route } else { format!("route:{route}") };
    let given = TestForm { to: page.who()?.email.clone(), as_email, way };
    page_of(page, &data, id_of(&path), given, Errors::default()).await?.show()
}

pub async fn results(page: Page, state: web::Data<WebState>, path: web::Path<i64>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    let head = data.campaign_head(id_of(&path)).await?;
    let (results, is_waiting) = answers(&data, head.id).await?;
    fragment(&ResultsPart { page, head, results, is_waiting })
}

pub async fn send(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
    given: web::Form<TestForm>,
) -> WebResult<HttpResponse> {
    let (id, data, given) = (id_of(&path), page.data(&state)?, given.into_inner());
    let mut errors = Errors::default();
    let to = addresses(&given.to, &mut errors);
    let as_subscriber = subscriber(&data, &given.as_email, &mut errors).await?;
    let content = frozen(&data, id, &mut errors).await?;
    let route = route(&data, &given.way, &mut errors).await?;
    let (Some(content), true) = (content, errors.is_empty()) else {
        return page_of(page, &data, id, given, errors).await?.show_errors();
    };
    let test = TestMessage { content, to, as_subscriber, route };
    let sent = data.send_test(id, test, page.now).await?;
    let n = i64::try_from(sent.len()).unwrap_or(0);
    flash(
        &request,
        Tone::Ok,
        format!("{} on the way. The answers appear below.", count_of(n, "test message is", "test messages are")),
    );
    Ok(see_other(&address(id, "/test")))
}

/// The route that the test is to show; `None`: whichever the campaign would take.
async fn route(data: &Workspace, word: &str, errors: &mut Errors) -> WebResult<Option<RouteId>> {
    let routes = data.routes().await?;
    if routes.is_empty() {
        errors.add("way", "There is no way to send yet.");
    }
    let Some(id) = ways::way_of(word).and_then(Way::route) else { return Ok(None) };
    if routes.iter().all(|route| route.id != id) {
        errors.add("way", "This route is not there any more.");
    }
    Ok(Some(id))
}

/// Separated by commas, semicolons or white space.
fn addresses(text: &str, errors: &mut Errors) -> Vec<EmailAddress> {
    let mut found: Vec<EmailAddress> = Vec::new();
    for word in text.split([',', ';', ' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()) {
        match EmailAddress::parse(word) {
            Ok(address) if found.contains(&address) => {}
            Ok(address) => found.push(address),
            Err(error) => errors.add("to", format!("{word}: {error}.")),
        }
    }
    if found.is_empty() {
        errors.add("to", "Give at least one address.");
    }
    if found.len() > MAX_TEST_ADDRESSES {
        errors.add("to", format!("At most {MAX_TEST_ADDRESSES} addresses at once."));
    }
    found
}

async fn subscriber(data: &Workspace, email: &str, errors: &mut Errors) -> WebResult<Option<SubscriberId>> {
    if email.trim().is_empty() {
        return Ok(None);
    }
    let found = data.preview_person_by_email(email.trim()).await?;
    if found.is_none() {
        errors.add("as", "No subscriber has this address.");
    }
    Ok(found.map(|person| person.id))
}

/// The draft as it stands, or what was launched.
async fn frozen(
    data: &Workspace,
    id: CampaignId,
    errors: &mut Errors,
) -> WebResult<Option<tidings_store::FrozenContent>> {
    let campaign = data.campaign(id).await?;
    let content = content_of(&campaign, &data.details().await?, &data.campaign_lists(id).await?);
    match freeze(&content) {
        Ok(frozen) => Ok(Some(frozen_row(frozen)?)),
        Err(findings) => {
            let first = findings.first().map(|f| format!("{}. {}", f.title, f.detail));
            errors.add("to", first.unwrap_or_else(|| "The content cannot be sent as it stands.".to_owned()));
            Ok(None)
        }
    }
}

async fn page_of(page: Page, data: &Workspace, id: CampaignId, given: TestForm, errors: Errors) -> WebResult<TestPage> {
    let head = data.campaign_head(id).await?;
    let ways: Vec<WayChoice> =
        ways::choices(data).await?.into_iter().filter(|way| way.word.starts_with("route:")).collect();
    let (results, is_waiting) = answers(data, id).await?;
    let page = page.titled(format!("Test {}", head.name), Nav::Campaigns);
    let TestForm { to, as_email, way } = given;
    Ok(TestPage { page, head, to, as_email, errors, has_route: !ways.is_empty(), ways, way, results, is_waiting })
}

async fn answers(data: &Workspace, id: CampaignId) -> WebResult<(Vec<TestResult>, bool)> {
    let found = data.test_messages(id, RESULTS_SHOWN).await?;
    // A deferred one is tried again in minutes: nobody sits and waits for that.
    let is_waiting = found.iter().any(|p| !p.state.is_terminal() && p.state != DeliveryState::Deferred);
    Ok((found.into_iter().map(result).collect(), is_waiting))
}

fn result(person: Person) -> TestResult {
    TestResult {
        tone: wording::state_tone(person.state),
        waits: Some(person.id).filter(|_| !person.state.is_terminal()),
        state: wording::state(person.state),
        reason: person.reason.as_deref().map(|r| wording::reason(person.state, r)).unwrap_or_default(),
        reply: person.reply.unwrap_or_default(),
        at_ms: person.updated_at_ms,
        recipient: person.recipient,
    }
}
