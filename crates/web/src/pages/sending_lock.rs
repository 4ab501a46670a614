//! Unlocking what a restore has locked: a person has looked at the campaigns first.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::WebState;
use crate::flash::{Tone, flash};
use crate::inventory::{Access, Entry};
use crate::page::{Page, see_other};
use crate::problem::WebResult;

pub(crate) const ROUTES: &[Entry] = &[Entry::action("/sending/unlock", || web::to(unlock)).with_access(Access::Admin)];

async fn unlock(request: HttpRequest, page: Page, state: web::Data<WebState>) -> WebResult<HttpResponse> {
    let was_locked = state.store.unlock_sending().await?;
    if was_locked {
        tracing::warn!(user = page.who()?.id.0, "sending was unlocked");
        flash(&request, Tone::Ok, "Sending is unlocked. What waits goes on within seconds.");
    }
    Ok(see_other("/"))
}
