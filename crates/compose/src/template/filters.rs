use std::fmt::Write;

use chrono::NaiveDate;
use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, Value, filters, tests};

pub(super) const NAMES: [&str; 13] = [
    "default",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "first",
    "last",
    "length",
    "int",
    "float",
    "round",
    "date",
];
pub(super) const TESTS: [&str; 4] = ["defined", "undefined", "startingwith", "endingwith"];

/// Everything a tag can call. None of it makes a text more than a few times longer than it was.
pub(super) fn add_all(env: &mut Environment<'static>) {
    env.add_filter("default", default);
    env.add_filter("upper", filters::upper);
    env.add_filter("lower", filters::lower);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("round", filters::round);
    env.add_filter("date", date);
    env.add_test("defined", |value: &Value| !is_missing(value));
    env.add_test("undefined", is_missing);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("endingwith", tests::is_endingwith);
}

/// An empty cell is a missing value: who writes a fallback for a name means the people whose name is not known.
fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn default(value: &Value, fallback: Rest<Value>) -> Value {
    if is_missing(value) { fallback.first().cloned().unwrap_or_else(|| Value::from("")) } else { value.clone() }
}

/// What is not a number counts as 0: one odd cell must not fail a message.
fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| number(value) as i64)
}

fn float(value: &Value) -> f64 {
    number(value)
}

fn number(value: &Value) -> f64 {
    let parsed = value.to_string().trim().parse::<f64>();
    parsed.ok().filter(|number| number.is_finite()).unwrap_or(0.0)
}

/// `2026-11-23` (with or without a time after it) in another form; what is not such a date stays as it is.
fn date(value: &Value, form: Option<&str>) -> Result<Value, Error> {
    let text = value.to_string();
    let day = text.get(..10).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
    let Some(day) = day else { return Ok(value.clone()) };
    let form = form.unwrap_or("%-d %B %Y");
    let mut shown = String::new();
    write!(shown, "{}", day.format(form)).map_err(|_| {
        Error::new(ErrorKind::InvalidOperation, format!("“{form}” is not a form of date. Write it like %d.%m.%Y"))
    })?;
    Ok(Value::from(shown))
}
