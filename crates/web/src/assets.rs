//! Files of `static/`, inside the binary. Their address has one hash over all of them, so relative addresses between them
//! hold and a browser may keep them for ever.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::inventory::Entry;

#[derive(RustEmbed)]
#[folder = "../../static/"]
struct Static;

pub(crate) const ROUTES: &[Entry] = &[Entry::public("/assets/{bundle}/{path:.*}", || web::to(serve))];

/// Twelve hex digits are enough to tell two builds apart.
const BUNDLE_DIGITS: usize = 12;

static BUNDLE: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Static::iter().collect();
    names.sort();
    let mut digest = Sha256::new();
    for name in names {
        digest.update(name.as_bytes());
        if let Some(file) = Static::get(&name) {
            digest.update(file.metadata.sha256_hash());
        }
    }
    let hex: String = digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
    hex[..BUNDLE_DIGITS].to_owned()
});

/// The address of a file of `static/`.
pub fn address(path: &str) -> String {
    format!("/assets/{}/{path}", *BUNDLE)
}

async fn serve(asked: web::Path<(String, String)>) -> HttpResponse {
    let (bundle, path) = asked.into_inner();
    let Some(file) = Static::get(&path) else { return HttpResponse::NotFound().finish() };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, content_type(&path, file.metadata.mimetype())));
    // An old page asks with an old hash: it gets the file, but must not keep it under that name.
    let keep = if bundle == *BUNDLE { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, keep));
    if path.ends_with(".woff2") {
        response.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    response.body(file.data.into_owned())
}

fn content_type(path: &str, guessed: &str) -> String {
    let is_text = guessed.starts_with("text/") || path.ends_with(".svg") || path.ends_with(".js");
    if is_text { format!("{guessed}; charset=utf-8") } else { guessed.to_owned() }
}
