use std::collections::BTreeMap;

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, test};
use scraper::{Html, Selector};

use super::site::{PUBLIC_URL, Site};

/// A browser: keeps cookies, remembers the token of the last page, and says where its requests come from.
pub struct Browser<S> {
    service: S,
    pub cookies: BTreeMap<String, String>,
    token: String,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl<S> Browser<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    pub fn new(service: S) -> Self {
        Self { service, cookies: BTreeMap::new(), token: String::new() }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    /// Sends a form as a person would: from a page of ours, with its token.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token.clone();
        let form: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        self.send(Method::POST, path, Some(&form), &[("sec-fetch-site", "same-origin"), ("origin", PUBLIC_URL)]).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        form: Option<&[(&str, &str)]>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = test::TestRequest::with_uri(path).method(method);
        request = request.peer_addr(([192, 0, 2, 10], 50_000).into());
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.insert_header((header::COOKIE, cookies.join("; ")));
        }
        if let Some(form) = form {
            request = request.set_form(form);
        }
        let response = self.service.call(request.to_request()).await.expect("answers");
        self.keep(response.headers());
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.expect("a whole body").to_vec();
        let answer = Answer { status, headers, body };
        if let Some(token) = answer.attribute("input[name=csrf]", "value") {
            self.token = token;
        }
        answer
    }

    /// Sends a form with a file, its token in the address as our page has it.
    pub async fn upload(&mut self, path: &str, parts: &[(&str, &str, &[u8])]) -> Answer {
        const BOUNDARY: &str = "----a-boundary";
        let mut body = Vec::new();
        for (name, file_name, bytes) in parts {
            let file = if file_name.is_empty() { String::new() } else { format!("; filename=\"{file_name}\"") };
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = test::TestRequest::post()
            .uri(&format!("{path}?csrf={}", self.token))
            .insert_header((header::COOKIE, cookies.join("; ")))
            .insert_header(("sec-fetch-site", "same-origin"))
            .insert_header(("origin", PUBLIC_URL))
            .insert_header((header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}")))
            .set_payload(body);
        let response = self.service.call(request.to_request()).await.expect("answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.expect("a whole body").to_vec();
        Answer { status, headers, body }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().expect("is text");
            let (name, rest) = text.split_once('=').expect("has a name");
            let value = rest.split(';').next().unwrap_or_default();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Signs a person in by a one-time link.
    pub async fn sign_in(&mut self, site: &Site, user: tidings_store::UserId) {
        let link = tidings_web::sign_in_link(&site.state, user).await.expect("a link");
        let path = link.strip_prefix(PUBLIC_URL).expect("is made from the public address").to_owned();
        assert_eq!(self.get(&path).await.status, StatusCode::OK);
        assert_eq!(self.post(&path, &[]).await.location(), "/");
        self.get("/").await;
    }

    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("is text"))
    }

    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// The text of each element.
    pub fn select(&self, selector: &str) -> Vec<String> {
        let (html, selector) = (Html::parse_document(&self.text()), Selector::parse(selector).expect("a selector"));
        let words = |element: scraper::ElementRef<'_>| {
            element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        html.select(&selector).map(words).collect()
    }

    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let (html, selector) = (Html::parse_document(&self.text()), Selector::parse(selector).expect("a selector"));
        html.select(&selector).next().and_then(|element| element.attr(name).map(str::to_owned))
    }
}
