//! A campaign's deadline as a form has it, and as a person reads it.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use tidings_domain::{Deadline, UnixMs};

use crate::form::Errors;
use crate::text::count_of;

/// What `<input type="datetime-local">` sends.
const LOCAL: &str = "%Y-%m-%dT%H:%M";

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct DeadlineForm {
    /// Empty, `hours` or `at`.
    #[serde(default)]
    deadline: String,
    #[serde(default)]
    pub deadline_hours: String,
    #[serde(default)]
    pub deadline_at: String,
}

impl DeadlineForm {
    pub fn of(deadline: Deadline, zone: Tz) -> Self {
        let kind = |word: &str| Self { deadline: word.to_owned(), ..Self::default() };
        match deadline {
            Deadline::None => Self::default(),
            Deadline::Hours(hours) => Self { deadline_hours: hours.to_string(), ..kind("hours") },
            Deadline::At(at) => Self { deadline_at: local(at, zone).format(LOCAL).to_string(), ..kind("at") },
        }
    }

    pub fn kind(&self) -> &str {
        &self.deadline
    }

    /// What was chosen; fields of what was not chosen are passed over.
    pub fn checked(&self, errors: &mut Errors, now: UnixMs, zone: Tz) -> Deadline {
        match self.deadline.as_str() {
            "hours" => match self.deadline_hours.trim().parse::<u32>() {
                Ok(hours) if (1..=Deadline::MAX_HOURS).contains(&hours) => Deadline::Hours(hours),
                _ => refuse(errors, "deadline_hours", "Give whole hours from 1 to 720."),
            },
            "at" => match instant(&self.deadline_at, zone) {
                Some(at) if at <= now => refuse(errors, "deadline_at", "This time has passed."),
                Some(at) => Deadline::At(at),
                None => refuse(errors, "deadline_at", "Give a day and a time."),
            },
            _ => Deadline::None,
        }
    }
}

fn refuse(errors: &mut Errors, field: &'static str, why: &str) -> Deadline {
    errors.add(field, why);
    Deadline::None
}

/// In the hour that a change of clocks repeats, the earlier of two; in the one that it leaves out, none.
fn instant(text: &str, zone: Tz) -> Option<UnixMs> {
    let naive = NaiveDateTime::parse_from_str(text.trim(), LOCAL).ok()?;
    zone.from_local_datetime(&naive).earliest().map(|at| UnixMs(at.timestamp_millis()))
}

fn local(at: UnixMs, zone: Tz) -> DateTime<Tz> {
    DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&zone)
}

/// For the launch page and the overview.
pub fn words(deadline: Deadline, zone: Tz) -> String {
    match deadline {
        Deadline::None => "When its retries are used up".to_owned(),
        Deadline::Hours(hours) => format!("{} after the launch", count_of(hours.into(), "hour", "hours")),
        Deadline::At(at) => local(at, zone).format("%-d %b %Y, %H:%M %Z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::Europe::Amsterdam;
    const NOW: UnixMs = UnixMs(1_795_426_445_000);

    fn checked(kind: &str, hours: &str, at: &str) -> (Deadline, bool) {
        let form = DeadlineForm { deadline: kind.into(), deadline_hours: hours.into(), deadline_at: at.into() };
        let mut errors = Errors::default();
        (form.checked(&mut errors, NOW, ZONE), errors.is_empty())
    }

    #[test]
    fn a_form_says_a_deadline_or_what_is_wrong() {
        assert_eq!(checked("", "99999", "nonsense"), (Deadline::None, true));
        assert_eq!(checked("hours", " 48 ", ""), (Deadline::Hours(48), true));
        for hours in ["", "0", "721", "-1", "1.5", "x"] {
            assert!(!checked("hours", hours, "").1, "{hours:?}");
        }
        assert_eq!(checked("at", "", "2026-11-24T12:00"), (Deadline::At(UnixMs(1_795_518_000_000)), true));
        for at in ["", "2026-11-23T10:00", "tomorrow", "2026-13-01T10:00"] {
            assert!(!checked("at", "", at).1, "{at:?}");
        }
    }

    #[test]
    fn what_was_saved_stands_in_the_form_again() {
        for deadline in [Deadline::None, Deadline::Hours(3), Deadline::At(UnixMs(1_795_518_000_000))] {
            let again = DeadlineForm::of(deadline, ZONE).checked(&mut Errors::default(), NOW, ZONE);
            assert_eq!(again, deadline);
        }
        assert_eq!(words(Deadline::At(UnixMs(1_795_518_000_000)), ZONE), "24 Nov 2026, 12:00 CET");
    }
}
