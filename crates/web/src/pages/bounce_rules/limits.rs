//! The form of the limits: whole numbers, and shares in percent with two decimals.

use serde::Deserialize;
use tidings_domain::BounceLimits;

use crate::form::Errors;

const MOST_DAYS: u16 = 365;
const MOST_IN_A_ROW: u16 = 50;
/// 100 %, in parts of 10,000.
const WHOLE: u16 = 10_000;

/// As it was typed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct LimitsForm {
    pub second_within_days: String,
    pub hold_after: String,
    pub hold_over_days: String,
    pub pause_hard_bounces: String,
    pub pause_complaints: String,
    pub warn_complaints: String,
}

impl LimitsForm {
    pub(super) fn of(limits: &BounceLimits) -> Self {
        Self {
            second_within_days: limits.second_within_days.to_string(),
            hold_after: limits.hold_after.to_string(),
            hold_over_days: limits.hold_over_days.to_string(),
            pause_hard_bounces: percent(limits.pause_hard_bounces),
            pause_complaints: percent(limits.pause_complaints),
            warn_complaints: percent(limits.warn_complaints),
        }
    }

    pub(super) fn check(&self) -> Result<BounceLimits, Errors> {
        let mut errors = Errors::default();
        let limits = BounceLimits {
            second_within_days: whole(&mut errors, "second_within_days", &self.second_within_days, 1, MOST_DAYS),
            hold_after: whole(&mut errors, "hold_after", &self.hold_after, 0, MOST_IN_A_ROW),
            hold_over_days: whole(&mut errors, "hold_over_days", &self.hold_over_days, 0, MOST_DAYS),
            pause_hard_bounces: share(&mut errors, "pause_hard_bounces", &self.pause_hard_bounces),
            pause_complaints: share(&mut errors, "pause_complaints", &self.pause_complaints),
            warn_complaints: share(&mut errors, "warn_complaints", &self.warn_complaints),
        };
        let (warn, pause) = (limits.warn_complaints, limits.pause_complaints);
        if pause > 0 && warn >= pause {
            errors.add("warn_complaints", "Warn at a smaller share than the one that pauses, or at 0 for never.");
        }
        if errors.is_empty() { Ok(limits) } else { Err(errors) }
    }
}

fn whole(errors: &mut Errors, field: &'static str, typed: &str, least: u16, most: u16) -> u16 {
    let number = typed.trim().parse::<u16>().ok().filter(|n| (least..=most).contains(n));
    number.unwrap_or_else(|| {
        errors.add(field, format!("A whole number from {least} to {most}."));
        least
    })
}

fn share(errors: &mut Errors, field: &'static str, typed: &str) -> u16 {
    parts(typed).unwrap_or_else(|| {
        errors.add(field, "A percentage from 0 to 100 with at most two decimals, like 0.3. 0 is never.");
        0
    })
}

/// `5`, `0.30`, `0,3 %`: in parts of 10,000.
fn parts(typed: &str) -> Option<u16> {
    let typed = typed.trim().trim_end_matches('%').trim_end().replace(',', ".");
    let (whole, decimals) = typed.split_once('.').unwrap_or((&typed, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 2 || whole.len() > 3 {
        return None;
    }
    let hundredths: u16 = format!("{decimals:0<2}").parse().ok()?;
    let parts = whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
    (parts <= WHOLE).then_some(parts)
}

/// `0.30`
pub(super) fn percent(parts: u16) -> String {
    format!("{}.{:02}", parts / 100, parts % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (typed, expected) in [
            ("5", Some(500)),
            (" 0.3 % ", Some(30)),
            ("0,10", Some(10)),
            ("0.01", Some(1)),
            ("100", Some(10_000)),
            ("100.01", None),
            ("0.001", None),
            ("-1", None),
            ("", None),
            (".", None),
            ("1e2", None),
            ("99999999999", None),
        ] {
            assert_eq!(parts(typed), expected, "{typed:?}");
        }
        for n in [0, 1, 30, 500, 10_000] {
            assert_eq!(parts(&percent(n)), Some(n));
        }
    }

    #[test]
    fn what_is_wrong_is_said_field_by_field() {
        let good = LimitsForm::of(&BounceLimits::default());
        assert_eq!(good.check().ok(), Some(BounceLimits::default()));
        let bad = LimitsForm { hold_after: "many".into(), warn_complaints: "0.3".into(), ..good.clone() };
        let errors = bad.check().expect_err("two things are wrong");
        assert!(errors.has("hold_after") && errors.has("warn_complaints") && !errors.has("hold_over_days"));
        let never = LimitsForm { pause_complaints: "0".into(), warn_complaints: "0.1".into(), ..good };
        assert!(never.check().is_ok(), "it may warn and never pause");
    }
}
