use actix_web::http::StatusCode;

use super::browser::Browser;
use super::site::Site;

#[actix_web::test]
async fn a_list_is_made_filled_renamed_and_deleted() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    assert_eq!(browser.get("/lists").await.select(".empty h2"), ["No lists yet"]);
    let to = browser.post("/lists", &[("name", " Newsletter "), ("description", "")]).await.location().to_owned();
    assert_eq!(browser.get(&to).await.select("h1"), ["Newsletter"]);
    let list = to.rsplit('/').next().unwrap_or_default().to_owned();

    let again = browser.post("/lists", &[("name", "Newsletter"), ("description", "")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(again.select("#name-error"), ["There is a list with this name already."]);

    let bo = [
        ("email", "Bo@Example.org"),
        ("first_name", "Bo"),
        ("last_name", ""),
        ("list", &list),
        ("source", "asked at the counter"),
    ];
    let person = browser.post("/subscribers", &bo).await.location().to_owned();
    let page = browser.get(&to).await;
    assert_eq!(page.select("td .name"), ["bo@example.org"]);
    assert_eq!(page.select(".stat-value"), ["1", "0"]);
    assert_eq!(browser.get(&format!("{to}?q=bo@")).await.select("td .name"), ["bo@example.org"]);
    assert_eq!(browser.get(&format!("{to}?q=carla")).await.select(".empty h2"), ["Nobody found"]);

    assert_eq!(browser.post(&to, &[("name", "Monthly"), ("description", "All of it")]).await.location(), to);
    assert_eq!(browser.get("/lists").await.select("td .name"), ["Monthly"]);
    assert_eq!(browser.post(&format!("{to}/delete"), &[]).await.location(), "/lists");
    assert_eq!(browser.get(&to).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get(&person).await.select(".notice-title"), ["Gets no mail: on no list"]);
}

#[actix_web::test]
async fn what_people_type_is_text() {
    let (site, ana) = Site::with_ana().await;
    let mut browser = Browser::new(site.service().await);
    browser.sign_in(&site, ana).await;
    let nasty = "<img src=x onerror=alert(1)>\"'{{7*7}}";
    let to = browser.post("/lists", &[("name", nasty), ("description", nasty)]).await.location().to_owned();
    for path in [to.as_str(), "/lists", &format!("{to}/edit")] {
        let page = browser.get(path).await;
        assert!(page.select("main img").is_empty(), "{path}");
        assert!(page.text().contains("&#60;img") || page.text().contains("&lt;img"), "{path}");
    }
}
