//! What a person does with a report: has it read again, takes its suppression back, says what its words mean.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tidings_domain::{BounceClass, Word};
use tidings_store::{Removal, Removed, ReportFilter, ReportId};

use super::report::own_suppression;
use crate::WebState;
use crate::flash::{Tone, flash};
use crate::page::{Page, see_other};
use crate::problem::{WebError, WebResult};
use crate::text::count_of;

#[derive(Deserialize)]
pub(super) struct Undo {
    why: String,
}

#[derive(Deserialize)]
pub(super) struct Label {
    /// Empty: takes the label back.
    #[serde(default)]
    class: String,
    #[serde(default)]
    apply: String,
}

pub(super) async fn again(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
) -> WebResult<HttpResponse> {
    let (data, id) = (page.data(&state)?, ReportId(id.into_inner()));
    data.report(id).await?.ok_or(WebError::NotFound)?;
    match data.read_reports_again(ReportFilter::default(), Some(id)).await? {
        0 => flash(
            &request,
            Tone::Info,
            "It cannot be read again: it is being read now, or its text is not kept any more.",
        ),
        _ => flash(&request, Tone::Ok, "It is read again by the rules of now. Reload in a moment."),
    }
    Ok(see_other(&format!("/bounces/{id}")))
}

pub(super) async fn undo(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    given: web::Form<Undo>,
) -> WebResult<HttpResponse> {
    let (data, id, who) = (page.data(&state)?, ReportId(id.into_inner()), page.who()?);
    let (row, _) = data.report(id).await?.ok_or(WebError::NotFound)?;
    let back = see_other(&format!("/bounces/{id}"));
    let why = given.why.trim();
    if why.is_empty() {
        flash(&request, Tone::Bad, "Nothing was undone: say why the address may be mailed again.");
        return Ok(back);
    }
    let Some(entry) = own_suppression(&data, &row).await? else {
        flash(&request, Tone::Info, "The suppression that came from this report is gone already.");
        return Ok(back);
    };
    let removal = Removal { by: who.name.clone(), is_admin: who.is_admin(), why: why.to_owned() };
    match data.remove_suppression(entry.id, removal, state.now()).await? {
        Removed::Yes { value } => {
            flash(&request, Tone::Ok, format!("{value} may be mailed again."));
            Ok(back)
        }
        Removed::NeedsAdmin => Err(WebError::Forbidden("Only an admin can remove a complaint.")),
    }
}

pub(super) async fn label(
    request: HttpRequest,
    page: Page,
    state: web::Data<WebState>,
    id: web::Path<i64>,
    given: web::Form<Label>,
) -> WebResult<HttpResponse> {
    let (data, id) = (page.data(&state)?, ReportId(id.into_inner()));
    let (row, _) = data.report(id).await?.ok_or(WebError::NotFound)?;
    let back = see_other(&format!("/bounces/{id}"));
    let class = match given.class.as_str() {
        "" => None,
        word => Some(BounceClass::parse(word).map_err(|e| WebError::BadRequest(e.to_string()))?),
    };
    if row.text_key.is_empty() {
        flash(&request, Tone::Bad, "This report has no words that could be labelled.");
        return Ok(back);
    }
    data.label_bounce_text(&row.text_key, class, &page.who()?.name, state.now()).await?;
    let mut said = match class {
        Some(_) => "Saved. From now on this text means what you said.".to_owned(),
        None => "The label is taken back.".to_owned(),
    };
    if given.apply == "yes" {
        let same = ReportFilter { text_key: Some(row.text_key), ..ReportFilter::default() };
        let n = data.read_reports_again(same, None).await?;
        said += &format!(" {} read again.", count_of(i64::try_from(n).unwrap_or(i64::MAX), "report is", "reports are"));
    }
    flash(&request, Tone::Ok, said);
    Ok(back)
}
