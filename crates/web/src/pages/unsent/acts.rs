//! What a person does: to the dead letters that are ticked at once, to all that match as an order.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_domain::{Unsent, UnsentAct, Word};
use tidings_store::{ByWhom, DeliveryId, MAX_PICKED, QueueOrderId};

use super::asked::Asked;
use super::confirm::{COUNTED_AT_MOST, refused};
use super::words::{act_words, named};
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::{WebError, WebResult};

const MAX_REASON_CHARS: usize = 200;
const NO_REASON: &str = "Say why they are discarded: it stays beside each of them.";

/// `pick=7&pick=9&act=retry&reason=…`
type Pairs = Vec<(String, String)>;

#[derive(Deserialize)]
pub(super) struct Order {
    #[serde(flatten)]
    asked: Asked,
    #[serde(default)]
    reason: String,
}

/// The act that is stopped, to come back to its list.
#[derive(Deserialize)]
pub(super) struct Stop {
    #[serde(default)]
    act: String,
}

impl Stop {
    fn act(&self) -> Option<UnsentAct> {
        UnsentAct::parse(&self.act).ok()
    }
}

fn by(page: &Page, reason: &str) -> WebResult<ByWhom> {
    let reason = reason.trim().chars().take(MAX_REASON_CHARS).collect();
    Ok(ByWhom { actor: page.who()?.name.clone(), reason })
}

pub(super) async fn picked(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    pairs: web::Form<Pairs>,
) -> WebResult<HttpResponse> {
    let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let act = UnsentAct::parse(of("act")).ok().filter(|act| act.side() == Unsent::Dead);
    let act = act.ok_or_else(|| WebError::BadRequest("There is no such act.".to_owned()))?;
    let picks = pairs.iter().filter(|(key, _)| key == "pick").filter_map(|(_, id)| id.parse().ok());
    let picks: Vec<DeliveryId> = picks.map(DeliveryId).take(MAX_PICKED).collect();
    let by = by(&page, of("reason"))?;
    if picks.is_empty() {
        flash(&request, Tone::Info, "Nothing was ticked.");
    } else if act == UnsentAct::Discard && by.reason.is_empty() {
        flash(&request, Tone::Bad, NO_REASON);
    } else {
        let moved = page.data(&state)?.act_on_picked(act, picks, by, page.now).await?;
        flash(&request, Tone::Ok, format!("{} {}.", named(act, moved, false), act_words(act, "").done));
    }
    Ok(see_other(&format!("/dead-letters?{}", of("back"))))
}

pub(super) async fn order(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    given: web::Form<Order>,
) -> WebResult<HttpResponse> {
    let Order { asked, reason } = given.into_inner();
    let act = asked.act().ok_or_else(|| WebError::BadRequest("There is no such act.".to_owned()))?;
    let (data, by) = (page.data(&state)?, by(&page, &reason)?);
    if act == UnsentAct::Discard && by.reason.is_empty() {
        return refused(page, &state, asked, act, NO_REASON).await;
    }
    let filter = asked.filter(page.zone);
    let total = data.would_act(act, filter.clone(), COUNTED_AT_MOST, page.now).await?;
    let given = data.give_order(act, filter, total, by, page.now).await?;
    match given {
        Some(_) => flash(&request, Tone::Ok, "Under way. The page shows how far it is; it can be stopped."),
        None => flash(&request, Tone::Bad, "Too much is under way: wait until some of it is done, or stop it."),
    }
    Ok(see_other(list_of(Some(act.side()))))
}

pub(super) async fn stop(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    given: web::Form<Stop>,
) -> WebResult<HttpResponse> {
    let stopped = page.data(&state)?.stop_order(QueueOrderId(id.into_inner()), page.now).await?;
    let said = if stopped { "Stopped. What it moved so far stays moved." } else { "It had ended already." };
    flash(&request, Tone::Info, said);
    Ok(see_other(list_of(given.act().map(UnsentAct::side))))
}

/// Where the acts of a side are given.
fn list_of(side: Option<Unsent>) -> &'static str {
    match side {
        Some(Unsent::Deferred) => "/deferred",
        _ => "/dead-letters",
    }
}
