use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_store::{Removal, Removed, SuppressionId};

use super::owner::Owner;
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::{WebError, WebResult};

/// Characters of a reason that are kept.
const MAX_WHY: usize = 300;

#[derive(Deserialize)]
pub(super) struct RemovalForm {
    why: String,
}

pub(super) async fn remove(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    given: web::Form<RemovalForm>,
) -> WebResult<HttpResponse> {
    let (owner, who) = (Owner::of(&request, &page, &state)?, page.who()?);
    let why: String = given.why.trim().chars().filter(|c| !c.is_control()).take(MAX_WHY).collect();
    if why.is_empty() {
        flash(&request, Tone::Bad, "Nothing was removed: say why the address may be mailed again.");
        return Ok(see_other(owner.base));
    }
    let removal = Removal { by: who.name.clone(), is_admin: who.is_admin(), why };
    match owner.list.remove_suppression(SuppressionId(id.into_inner()), removal, state.now()).await? {
        Removed::Yes { value } => {
            flash(&request, Tone::Ok, format!("Removed: {value}. The history keeps who did it and why."));
            Ok(see_other(owner.base))
        }
        Removed::NeedsAdmin => Err(WebError::Forbidden("Only an admin can remove a complaint.")),
    }
}
