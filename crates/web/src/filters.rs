//! Filters of the templates. A page file says `use crate::filters;`.

use askama::{Result, Values};

/// `{{ "css/app.css"|asset }}`: the address of a file of `static/`.
#[askama::filter_fn]
pub fn asset(path: &str, _: &dyn Values) -> Result<String> {
    Ok(crate::assets::address(path))
}

/// `{{ n|number }}`: digits in groups of three.
#[askama::filter_fn]
pub fn number(n: &i64, _: &dyn Values) -> Result<String> {
    Ok(crate::text::number(*n))
}
