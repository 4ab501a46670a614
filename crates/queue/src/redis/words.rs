//! How jobs and numbers are written for the functions.

use crate::Job;

/// `delivery` at the first attempt, `delivery:attempt` later: the server keeps a plain number in few bytes.
pub fn word(job: Job) -> String {
    match job.attempt {
        1 => job.delivery.to_string(),
        attempt => format!("{}:{attempt}", job.delivery),
    }
}

pub fn job(campaign: &str, word: &str) -> Option<Job> {
    let (delivery, attempt) = word.split_once(':').unwrap_or((word, "1"));
    Some(Job { delivery: delivery.parse().ok()?, campaign: campaign.parse().ok()?, attempt: attempt.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_written() {
        for (delivery, attempt) in [(7, 1), (7, 2), (i64::MAX, i16::MAX), (i64::MIN, 0), (-1, -1), (0, 1)] {
            let job = Job { delivery, campaign: -9, attempt };
            assert_eq!(super::job("-9", &word(job)), Some(job));
        }
    }
}
