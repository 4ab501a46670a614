use crate::UnixMs;

/// When a campaign gives up: what was not sent by then is not sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deadline {
    /// It tries as long as its lane does.
    #[default]
    None,
    /// So many hours after the launch.
    Hours(u32),
    At(UnixMs),
}

impl Deadline {
    /// Thirty days: longer than any mail server tries.
    pub const MAX_HOURS: u32 = 720;

    /// The instant for a launch at `launch`.
    #[must_use]
    pub fn instant(self, launch: UnixMs) -> Option<UnixMs> {
        match self {
            Self::None => None,
            Self::Hours(hours) => Some(UnixMs(launch.0.saturating_add(i64::from(hours) * UnixMs::HOUR))),
            Self::At(at) => Some(at),
        }
    }

    /// A launch at `launch` would send nothing.
    #[must_use]
    pub fn has_passed(self, launch: UnixMs) -> bool {
        self.instant(launch).is_some_and(|at| at <= launch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_count_from_the_launch_and_an_instant_stands() {
        let launch = UnixMs(1_000);
        assert_eq!(Deadline::None.instant(launch), None);
        assert_eq!(Deadline::Hours(2).instant(launch), Some(UnixMs(1_000 + 2 * UnixMs::HOUR)));
        assert_eq!(Deadline::At(UnixMs(5)).instant(launch), Some(UnixMs(5)));
        assert!(Deadline::At(UnixMs(1_000)).has_passed(launch) && !Deadline::Hours(1).has_passed(launch));
    }
}
