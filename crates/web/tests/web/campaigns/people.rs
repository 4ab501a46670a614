//! The people of a campaign, on screen and as a file.

use super::launched::launched;
use super::site::Site;

#[actix_web::test]
async fn people_are_filtered_by_state_provider_and_address() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let names = async |query: &str| browser.get(&format!("/campaigns/{id}/people{query}")).await.texts("tbody .name");
    assert_eq!(names("").await, ["a1@people.example", "a2@people.example", "a3@people.example"]);
    assert_eq!(names("?state=hard_bounced").await, ["a2@people.example"]);
    assert_eq!(names("?state=accepted").await, ["a1@people.example"]);
    assert_eq!(names("?q=A3@people.example").await, ["a3@people.example"]);
    assert!(names("?q=nobody").await.is_empty());
    let google = browser
        .get(&format!("/campaigns/{id}/people"))
        .await
        .attr("select[name=provider] option:nth-child(2)", "value");
    assert_eq!(names(&format!("?provider={google}")).await.len(), 3);
    assert!(names(&format!("?provider={google}&state=deferred")).await.is_empty());
}

#[actix_web::test]
async fn a_person_tells_the_peers_exact_words() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let people = browser.get(&format!("/campaigns/{id}/people?state=hard_bounced")).await;
    let one = browser.get(&people.attr("tbody .name", "href")).await;
    assert!(one.text(".timeline").contains("550 5.1.1 No such user"), "{}", one.body);
    assert!(one.text(".lead").contains("No such mailbox"));
    assert_eq!(browser.get(&format!("/campaigns/{id}/people/999999")).await.status.as_u16(), 404);
}

#[actix_web::test]
async fn the_file_has_everybody_and_no_formula() {
    let site = Site::new().await;
    let id = launched(&site).await;
    let browser = site.browser().await;
    let csv = browser.get(&format!("/campaigns/{id}/people.csv")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").starts_with("attachment"));
    let lines: Vec<&str> = csv.body.lines().collect();
    assert_eq!(lines[0], "email,state,reason,provider,attempts,enhanced_code,reply,time");
    assert_eq!(lines.len(), 4);
    assert!(lines[2].starts_with("a2@people.example,hard_bounced,No such mailbox,google,1,"), "{}", lines[2]);
    let one = browser.get(&format!("/campaigns/{id}/people.csv?state=accepted")).await;
    assert_eq!(one.body.lines().count(), 2);
}
