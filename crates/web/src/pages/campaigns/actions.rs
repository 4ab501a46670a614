//! What a button does to a campaign. Each is a transition of the store; a lost race is told calmly.

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_store::{Applied, Resent};

use super::draft::{address, id_of};
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::WebResult;
use crate::text::count_of;

pub async fn duplicate(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let copy = page.data(&state)?.duplicate_campaign(id_of(&path), &page.who()?.name, page.now).await?;
    flash(&request, Tone::Ok, "This is the copy. Change what you like; the original stays as it is.");
    Ok(see_other(&address(copy, "")))
}

pub async fn delete(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let deleted = page.data(&state)?.delete_draft(id_of(&path)).await?;
    match deleted {
        true => flash(&request, Tone::Ok, "The draft is deleted."),
        false => {
            flash(&request, Tone::Warn, "Only drafts can be deleted. This campaign was launched, or is gone already.")
        }
    }
    Ok(see_other("/campaigns"))
}

pub async fn pause(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let id = id_of(&path);
    let applied = page.data(&state)?.pause(id, &page.who()?.name, "", page.now).await?;
    Ok(told(&request, &path, applied, "Paused. No new attempt begins; what is on the wire finishes."))
}

pub async fn resume(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let applied = page.data(&state)?.resume(id_of(&path), &page.who()?.name, page.now).await?;
    Ok(told(&request, &path, applied, "Going on."))
}

pub async fn cancel(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let applied = page.data(&state)?.cancel(id_of(&path), &page.who()?.name, page.now).await?;
    Ok(told(&request, &path, applied, "Cancelled. Whoever has not got it yet will not get it."))
}

pub async fn send_again(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    path: web::Path<i64>,
) -> WebResult<HttpResponse> {
    match page.data(&state)?.resend_in_doubt(id_of(&path), &page.who()?.name, page.now).await? {
        Resent::Rows(0) => flash(&request, Tone::Info, "Nothing is in doubt any more."),
        Resent::Rows(n) => flash(&request, Tone::Ok, format!("Sending {} again.", count_of(n, "message", "messages"))),
        Resent::NotSendable => {
            flash(&request, Tone::Warn, "This campaign is not being sent, so nothing was sent again.")
        }
    }
    Ok(see_other(&address(id_of(&path), "")))
}

fn told(request: &HttpRequest, path: &web::Path<i64>, applied: Applied, done: &str) -> HttpResponse {
    match applied {
        Applied::Yes => flash(request, Tone::Ok, done),
        Applied::LostRace => flash(
            request,
            Tone::Info,
            "Nothing to do: the campaign had moved on before your click. This is how it stands now.",
        ),
    }
    see_other(&address(id_of(path), ""))
}
