//! Real mail servers take our mail, cannot deliver it, and say so in their own words: each report finds its delivery.

use tidings_tests::binary::run;
use tidings_tests::mail_servers::{DOMAIN, MailServer, free_address};

async fn come_back(start: fn(std::net::SocketAddr) -> MailServer) {
    let intake = free_address();
    let server = start(intake);
    let (receiver, intake) = (server.address.to_string(), intake.to_string());
    let arguments = ["bench", "bounces", "--receiver", &receiver, "--intake", &intake, "--domain", DOMAIN];
    let (success, text) = run(&arguments, &[]).await;
    assert!(success, "{text}\n{}", server.log());
}

#[tokio::test]
async fn from_postfix() {
    come_back(MailServer::postfix).await;
}

#[tokio::test]
async fn from_exim() {
    come_back(MailServer::exim).await;
}

/// What was answered with 250 is there after a kill at any moment.
#[tokio::test]
async fn a_killed_intake_loses_nothing_that_it_took() {
    for database in tidings_testing::TestDatabase::each() {
        let mut arguments = vec!["bench", "intake", "--mails", "1500", "--kills", "5"];
        if database.url().starts_with("postgres") {
            arguments.extend(["--database", database.url()]);
        }
        let (success, text) = run(&arguments, &[]).await;
        assert!(success, "{text}");
    }
}
