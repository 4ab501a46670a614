//! How far orders are: a part of both pages, which asks for itself again while one is running.

use actix_web::{HttpResponse, web};
use askama::Template;
use tidings_domain::{UnixMs, UnsentAct};
use tidings_store::{QueueOrder, QueueOrderId, Workspace};

use super::words::act_words;
use crate::WebState;
use crate::filters;
use crate::page::{Page, fragment};
use crate::problem::WebResult;

/// Orders that are shown.
const SHOWN: i64 = 5;
/// One that ended so long ago is not shown any more.
const SHOWN_FOR_MS: i64 = UnixMs::HOUR;

#[derive(Template)]
#[template(path = "unsent/orders.html")]
struct Orders {
    page: Page,
    orders: OrderLines,
}

pub(super) struct OrderLines {
    pub lines: Vec<OrderLine>,
    /// The part asks for itself again.
    pub is_live: bool,
}

pub(super) struct OrderLine {
    pub id: QueueOrderId,
    pub act: UnsentAct,
    pub what: &'static str,
    pub actor: String,
    pub moved: i64,
    pub total: i64,
    pub is_running: bool,
    pub is_stopped: bool,
    pub at_ms: i64,
}

impl OrderLine {
    fn of(order: QueueOrder) -> Self {
        Self {
            id: order.id,
            act: order.operation,
            what: act_words(order.operation, "").button,
            is_running: order.is_running(),
            is_stopped: order.is_stopped(),
            actor: order.actor,
            moved: order.moved,
            total: order.total.max(order.moved),
            at_ms: order.created_at_ms,
        }
    }
}

pub(super) async fn lines(data: &Workspace, page: &Page) -> WebResult<OrderLines> {
    let orders = data.orders(SHOWN).await?.into_iter();
    let shown = |order: &QueueOrder| order.is_running() || page.now.0 - order.updated_at_ms < SHOWN_FOR_MS;
    let lines: Vec<OrderLine> = orders.filter(shown).map(OrderLine::of).collect();
    Ok(OrderLines { is_live: lines.iter().any(|line| line.is_running), lines })
}

pub(super) async fn progress(page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let data = page.data(&state)?;
    fragment(&Orders { orders: lines(&data, &page).await?, page })
}
