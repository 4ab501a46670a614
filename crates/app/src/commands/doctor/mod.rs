//! `tidings doctor`: looks at everything that an installation stands on, and says of what is wrong how to mend it. It changes nothing.

mod database;
mod domains;
mod local;
mod network;
mod routes;
mod running;

use std::process::ExitCode;

use serde::Serialize;

use crate::config::Config;

#[derive(clap::Args)]
pub struct DoctorArguments {
    /// Also try whether mail servers outside can be reached: resolves and connects to one of them on the SMTP port.
    #[arg(long)]
    network: bool,
    /// Also read the whole database for damage (SQLite), and count every campaign under way again.
    #[arg(long)]
    deep: bool,
    /// For programs: one JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Ok,
    Warn,
    Fail,
}

/// What was looked at, how it stands, and what to do about it.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub grade: Grade,
    pub words: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

impl Finding {
    pub fn ok(name: &'static str, words: impl Into<String>) -> Self {
        Self { name, grade: Grade::Ok, words: words.into(), mend: String::new() }
    }

    pub fn warn(name: &'static str, words: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, grade: Grade::Warn, words: words.into(), mend: mend.into() }
    }

    pub fn fail(name: &'static str, words: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, grade: Grade::Fail, words: words.into(), mend: mend.into() }
    }
}

/// Ends with 0 when all is well, with 1 when something should be looked at, with 2 when something keeps it from working.
pub async fn run(arguments: DoctorArguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut findings = local::look(&config);
    let store = database::look(&config, arguments.deep, &mut findings).await;
    running::redis(&config, &mut findings).await;
    if let Some(store) = &store {
        running::look(&config, store, arguments.deep, &mut findings).await;
        domains::look(store, &mut findings).await;
        routes::look(&config, store, arguments.network, &mut findings).await;
    }
    network::look(&config, arguments.network, &mut findings).await;
    let worst = findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(print);
        println!("\n{}", summary(worst));
    }
    Ok(ExitCode::from(worst as u8))
}

fn print(finding: &Finding) {
    let mark = match finding.grade {
        Grade::Ok => "ok  ",
        Grade::Warn => "WARN",
        Grade::Fail => "FAIL",
    };
    println!("{mark}  {:<12}  {}", finding.name, finding.words);
    if !finding.mend.is_empty() {
        println!("{:<20}→ {}", "", finding.mend);
    }
}

const fn summary(worst: Grade) -> &'static str {
    match worst {
        Grade::Ok => "All is well.",
        Grade::Warn => "It works; look at what is marked WARN.",
        Grade::Fail => "Something keeps it from working: mend what is marked FAIL first.",
    }
}
