//! Bad input at the door: each a clear message that says what is wrong and what to do.

use std::process::Stdio;

use tidings_tests::binary::{Server, command};
use tokio::io::AsyncWriteExt;

async fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = command()
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    assert!(!output.status.success(), "{arguments:?} should be refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn wrong_settings_are_named_with_what_would_be_right() {
    for (variable, value, words) in [
        ("TIDINGS_LISTEN", "nonsense", "127.0.0.1:8080"),
        ("TIDINGS_PUBLIC_URL", "mail.example.com", "https://"),
        ("TIDINGS_MAX_CONNECTIONS", "0", "from 1 to 5000"),
        ("TIDINGS_SMTP_PORT", "smtp", "a port number"),
        ("TIDINGS_LOG_FORMAT", "xml", "text or json"),
        ("TIDINGS_INTAKE_LISTEN", "25", "0.0.0.0:25"),
        ("TIDINGS_INTAKE_LISTEN", "127.0.0.1:0", "TIDINGS_BOUNCE_DOMAIN"),
        ("TIDINGS_INTAKE_CERT", "/nowhere.pem", "belong together"),
        ("TIDINGS_MAILBOXES", "imaps://mail.example.com/INBOX", "names no user"),
    ] {
        let message = refused(&["serve"], &[(variable, value)]).await;
        assert!(message.contains(words), "{variable}={value}: {message}");
    }
}

#[tokio::test]
async fn a_port_in_use_and_a_folder_in_use_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let server = Server::start(folder.path(), &[]).await;
    let again = refused(&["serve"], &[("TIDINGS_DATA_DIR", &data), ("TIDINGS_LISTEN", "127.0.0.1:0")]).await;
    assert!(again.contains("another Tidings process"), "{again}");
    let port = server.url.trim_start_matches("http://").to_owned();
    let other = tempfile::tempdir().expect("a folder");
    let other = other.path().to_string_lossy().into_owned();
    let taken = refused(&["serve"], &[("TIDINGS_DATA_DIR", &other), ("TIDINGS_LISTEN", &port)]).await;
    assert!(taken.contains("cannot listen") && taken.contains("TIDINGS_LISTEN"), "{taken}");
    assert_eq!(server.stop().await, Some(0), "SIGTERM is a graceful stop");
}

#[tokio::test]
async fn an_import_before_the_set_up_says_what_to_do_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let message = refused(&["import", "people.csv", "--list", "News"], &[("TIDINGS_DATA_DIR", &data)]).await;
    assert!(message.contains("tidings serve"), "{message}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let url = "postgres://ana:hunter2@127.0.0.1:1/none";
    let message =
        refused(&["serve"], &[("TIDINGS_DATA_DIR", &data), ("DATABASE_URL", url), ("TIDINGS_LISTEN", "127.0.0.1:0")])
            .await;
    assert!(message.contains("cannot open the database") && !message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_mail_that_cannot_be_recorded_stays_with_the_mail_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let bounce = async |database: &str| {
        let mut child = command()
            .arg("bounce")
            .envs([("TIDINGS_DATA_DIR", data.as_str()), ("DATABASE_URL", database)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(b"Subject: Re: Hello\r\n\r\nThank you!\r\n").await.expect("it reads");
        drop(input);
        let output = child.wait_with_output().await.expect("it ends");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = bounce("postgres://nobody@127.0.0.1:1/none").await;
    assert_eq!(code, Some(75), "EX_TEMPFAIL: {text}");
    assert!(text.contains("onnection refused"), "the reason is said: {text}");
    let (code, text) = bounce(&format!("{data}/tidings.sqlite3")).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("kept"), "{text}");
}
