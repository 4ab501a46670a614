use chrono::{Days, NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde::Deserialize;
use tidings_domain::{BounceClass, DeliveryState, Unsent, UnsentAct, Word};
use tidings_store::{CampaignId, CampaignTab, UnsentFilter, Workspace};

use crate::bounce_words::class_words;
use crate::pages::campaigns::encoded;
use crate::pages::campaigns::wording;
use crate::problem::WebResult;

/// Campaigns to choose from; any other is reached from its own page.
const CAMPAIGNS_OFFERED: i64 = 50;

/// The filter as it stands in the query or in a form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub campaign: String,
    #[serde(default)]
    pub provider: String,
    #[serde(default)]
    pub class: String,
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub state: String,
    /// Days, in the organisation's zone, both included.
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub until: String,
    #[serde(default)]
    pub after: String,
    #[serde(default)]
    pub act: String,
}

impl Asked {
    /// Words that are none of ours filter nothing.
    pub fn filter(&self, zone: Tz) -> UnsentFilter {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = DeliveryState::parse(&self.state).ok().filter(|state| Unsent::Dead.holds(*state));
        UnsentFilter {
            campaign: self.campaign.parse().ok().map(CampaignId),
            provider: given(&self.provider),
            class: BounceClass::parse(&self.class).ok().map(|class| class.to_string()),
            code: self.code.trim().parse().ok(),
            text: given(&self.text),
            state: state.map(DeliveryState::code),
            from_ms: day(&self.from, 0, zone),
            until_ms: day(&self.until, 1, zone),
        }
    }

    fn parts(&self) -> [(&'static str, &String); 8] {
        [
            ("campaign", &self.campaign),
            ("provider", &self.provider),
            ("class", &self.class),
            ("code", &self.code),
            ("text", &self.text),
            ("state", &self.state),
            ("from", &self.from),
            ("until", &self.until),
        ]
    }

    /// `campaign=7&class=greylist&`
    pub fn query(&self) -> String {
        self.given().into_iter().map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }

    /// For hidden fields.
    pub fn given(&self) -> Vec<(&'static str, &String)> {
        self.parts().into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.given().is_empty()
    }

    /// The same with another campaign left out, another provider and text: for a row of the list.
    pub fn narrowed(&self, provider: &str, text: &str) -> String {
        Self { provider: provider.to_owned(), text: text.to_owned(), ..self.clone() }.query()
    }

    pub fn act(&self) -> Option<UnsentAct> {
        UnsentAct::parse(&self.act).ok()
    }

    /// The filter in words, one line for each condition.
    pub fn words(&self, campaign: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(campaign.map(|name| format!("of the campaign “{name}”")));
        if !self.provider.is_empty() {
            lines.push(format!("to {}", wording::provider(&self.provider)));
        }
        if let Ok(class) = BounceClass::parse(&self.class) {
            lines.push(format!("for the reason “{}”", class_words(class).title.to_lowercase()));
        }
        if !self.code.is_empty() {
            lines.push(format!("with the code {}", self.code));
        }
        if let Ok(state) = DeliveryState::parse(&self.state) {
            lines.push(format!("that stand as “{}”", wording::state(state)));
        }
        if !self.from.is_empty() {
            lines.push(format!("from {}", self.from));
        }
        if !self.until.is_empty() {
            lines.push(format!("until {}", self.until));
        }
        lines
    }

    /// The latest campaigns, and the one that is asked for.
    pub async fn campaigns(&self, data: &Workspace) -> WebResult<Vec<(String, String)>> {
        let latest = data.campaigns(CampaignTab::All, "", None, CAMPAIGNS_OFFERED).await?;
        let launched = latest.into_iter().filter(|row| row.head.revision_id.is_some());
        let mut offered: Vec<(String, String)> = launched.map(|row| (row.head.id.to_string(), row.head.name)).collect();
        if let Ok(id) = self.campaign.parse()
            && offered.iter().all(|(known, _)| *known != self.campaign)
            && let Ok(head) = data.campaign_head(CampaignId(id)).await
        {
            offered.insert(0, (head.id.to_string(), head.name));
        }
        Ok(offered)
    }
}

/// The first instant of a day, or of so many days later.
fn day(text: &str, later: u64, zone: Tz) -> Option<i64> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?.checked_add_days(Days::new(later))?;
    let midnight = day.and_hms_opt(0, 0, 0)?;
    // Where clocks leave midnight out, the day begins an hour later.
    let begins = zone.from_local_datetime(&midnight).earliest();
    let begins = begins.or_else(|| zone.from_local_datetime(&day.and_hms_opt(1, 0, 0)?).earliest())?;
    Some(begins.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_the_address_says_and_nonsense_filters_nothing() {
        let asked = Asked {
            class: "greylist".into(),
            code: "x".into(),
            state: "accepted".into(),
            campaign: "7".into(),
            from: "2026-11-24".into(),
            until: "2026-11-24".into(),
            ..Asked::default()
        };
        let filter = asked.filter(chrono_tz::Europe::Amsterdam);
        assert_eq!((filter.class.as_deref(), filter.code, filter.state), (Some("greylist"), None, None));
        assert_eq!(filter.campaign, Some(CampaignId(7)));
        assert_eq!(filter.from_ms, Some(1_795_474_800_000));
        assert_eq!(filter.until_ms, Some(1_795_474_800_000 + 86_400_000));
        assert!(asked.query().starts_with("campaign=7&class=greylist&"));
        assert!(Asked::default().is_empty() && !asked.is_empty());
    }
}
