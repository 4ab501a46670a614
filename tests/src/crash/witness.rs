//! A witness inside the database: triggers of the harness's own that write down every step of a delivery, and every act that stops one,
//! in the transaction that makes it.

use anyhow::{Context, bail};
use tidings_domain::DeliveryState;

use super::facts::{Act, At, Move, Telling, What};
use super::ground::Ground;

const POSTGRES: &str = include_str!("witness_postgres.sql");
const SQLITE: &str = include_str!("witness_sqlite.sql");

/// One line for each, fields parted by `|`: number, what, id, campaign, subscriber, from, to, began, committed, the clock, text.
const READ_POSTGRES: &str = "SELECT n, what, id, campaign, subscriber, old_state, new_state, \
    CAST(extract(epoch FROM began) * 1000000 AS BIGINT), \
    CAST(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000 AS BIGINT), \
    CAST(floor(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000) AS BIGINT), text FROM witness WHERE n > ";
const READ_SQLITE: &str =
    "SELECT n, what, id, campaign, subscriber, old_state, new_state, n, n, at_ms, text FROM witness WHERE n > ";
const FIELDS: usize = 11;

/// What it has seen since it was last asked.
#[derive(Debug, Default)]
pub struct Testimony {
    pub moves: Vec<Move>,
    pub acts: Vec<Act>,
    pub tellings: Vec<Telling>,
    last: i64,
}

/// # Errors
/// The database refuses the triggers.
pub fn install(ground: &Ground) -> anyhow::Result<()> {
    ground.ask(if ground.is_apart() { POSTGRES } else { SQLITE }).context("setting up the witness")?;
    Ok(())
}

impl Testimony {
    /// # Errors
    /// The database cannot be read, or holds what the witness did not write.
    pub fn since(ground: &Ground, last: i64) -> anyhow::Result<Self> {
        let read = if ground.is_apart() { READ_POSTGRES } else { READ_SQLITE };
        let mut testimony = Self { last, ..Self::default() };
        for line in ground.ask(&format!("{read} {last} ORDER BY n")).context("asking the witness")? {
            testimony.hear(&line).with_context(|| format!("the witness wrote {line:?}"))?;
        }
        Ok(testimony)
    }

    /// Where the next testimony begins.
    #[must_use]
    pub const fn last(&self) -> i64 {
        self.last
    }

    fn hear(&mut self, line: &str) -> anyhow::Result<()> {
        let fields: Vec<&str> = line.splitn(FIELDS, '|').collect();
        let [n, what, id, campaign, subscriber, from, to, began, committed, at_ms, text] = fields[..] else {
            bail!("{} fields", fields.len());
        };
        let (id, began, committed): (i64, At, At) = (id.parse()?, began.parse()?, committed.parse()?);
        self.last = n.parse()?;
        let what = match what {
            "moved" => {
                let (from, to) = (state(from)?, state(to)?);
                let (campaign, subscriber) = (campaign.parse()?, subscriber.parse().ok());
                let at_ms = at_ms.parse()?;
                self.moves.push(Move { delivery: id, campaign, subscriber, from, to, began, committed, at_ms });
                return Ok(());
            }
            "told" => {
                self.tellings.push(Telling { delivery: id, number: from.parse()?, row_is_at: to.parse()? });
                return Ok(());
            }
            "launched" => What::Launched(id),
            "paused" => What::Paused(id),
            "resumed" => What::Resumed(id),
            "cancelled" => What::Cancelled(id),
            "suppressed" => What::Suppressed(text.to_owned()),
            "unsubscribed" => What::Unsubscribed(id),
            "deleted" => What::Deleted(id),
            other => bail!("nobody said {other}"),
        };
        self.acts.push(Act { what, committed });
        Ok(())
    }
}

fn state(code: &str) -> anyhow::Result<DeliveryState> {
    DeliveryState::from_code(code.parse()?).with_context(|| format!("no state has the code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_witness_is_understood() {
        let mut testimony = Testimony::default();
        testimony.hear("1|moved|5|2|9|1|2|100|110|7|").expect("a move");
        testimony.hear("2|moved|6|2||1|2|100|110|7|").expect("a move of somebody deleted");
        testimony.hear("3|suppressed|4|||||120|130|7|a|b@x.example").expect("an act");
        testimony.hear("4|told|5|||1|2|140|150|7|").expect("how an attempt ended");
        assert!(testimony.hear("5|danced|1|||||1|1|7|").is_err() && testimony.hear("nonsense").is_err());
        assert!(testimony.moves[0].is_intent() && testimony.moves[1].subscriber.is_none());
        assert_eq!(
            (testimony.moves[0].at_ms, testimony.tellings[0].number, testimony.tellings[0].row_is_at),
            (7, 1, 2)
        );
        let expected = Act { what: What::Suppressed("a|b@x.example".to_owned()), committed: 130 };
        assert_eq!(testimony.acts, [expected]);
    }
}
