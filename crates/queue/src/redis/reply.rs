//! Reading replies. What cannot be read is a bug or a foreign server; it is an error that names the reply.

use std::time::Duration;

use redis::Value;

/// A reply that is not what the function promises.
#[derive(Debug, thiserror::Error)]
#[error("Redis gave a reply that is not understood: {0}")]
pub struct Odd(String);

impl Odd {
    pub fn new(value: &impl std::fmt::Debug) -> Self {
        // A reply may be a megabyte.
        Self(format!("{value:?}").chars().take(200).collect())
    }
}

/// What every reply begins with.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub epoch: u64,
    /// Lines that can perhaps be served.
    pub listed: usize,
    /// The lowest lane among them; 3 when there are none.
    pub lowest: u8,
    pub newly_listed: usize,
    /// When the next thing is due.
    pub due_in: Option<Duration>,
}

pub fn split(value: Value) -> Result<(Header, Vec<Value>), Odd> {
    let mut parts = list(value)?;
    if parts.len() != 2 {
        return Err(Odd::new(&parts));
    }
    let rest = list(parts.remove(1))?;
    let head = list(parts.remove(0))?;
    let [epoch, listed, lowest, newly, due] = &head[..] else { return Err(Odd::new(&head)) };
    Ok((
        Header {
            epoch: number::<u64>(epoch)?,
            listed: number(listed)?,
            lowest: number(lowest)?,
            newly_listed: number(newly)?,
            due_in: micros(due)?,
        },
        rest,
    ))
}

pub fn list(value: Value) -> Result<Vec<Value>, Odd> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(Odd::new(&other)),
    }
}

pub fn text(value: &Value) -> Result<String, Odd> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(Odd::new(other)),
    }
}

pub fn number<T: std::str::FromStr>(value: &Value) -> Result<T, Odd> {
    text(value)?.parse().map_err(|_| Odd::new(value))
}

/// Microseconds, with a fraction perhaps; negative is none.
pub fn micros(value: &Value) -> Result<Option<Duration>, Odd> {
    let micros: f64 = number(value)?;
    Ok((micros >= 0.0).then(|| Duration::from_nanos(nanos(micros))))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn nanos(micros: f64) -> u64 {
    // Rounded up to a whole microsecond, so that who waits so long does not come too early.
    (micros.ceil() as u64).saturating_mul(1_000)
}
