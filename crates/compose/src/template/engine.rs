use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::{Complaint, filters};

/// What one part of one message may cost: an instruction or 64 bytes of data are one unit. Two milliseconds at most.
const FUEL: u64 = 50_000;
/// The largest part, before and after rendering. Providers refuse mail far smaller.
pub(crate) const MAX_PART_BYTES: usize = 1024 * 1024;
const RECURSION: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Subject,
    Html,
    Text,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Subject, Self::Html, Self::Text];

    /// The field of [`Content`](crate::Content).
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

/// The parts of a revision, compiled.
pub(crate) struct Engine {
    env: Environment<'static>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RenderFailure {
    Template(Complaint),
    TooLarge,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut env = bare();
        env.set_auto_escape_callback(
            |part| if part == Part::Html.as_str() { AutoEscape::Html } else { AutoEscape::None },
        );
        Self { env }
    }

    /// `prepared`: what [`prepare`](super::prepare) returned. Compiling a part again replaces it.
    ///
    /// # Errors
    /// The first thing the engine cannot read.
    pub(crate) fn add(&mut self, part: Part, prepared: String) -> Result<(), Complaint> {
        if prepared.len() > MAX_PART_BYTES {
            return Err(Complaint::new(1, format!("this is larger than {} KiB.", MAX_PART_BYTES / 1024)));
        }
        self.env.add_template_owned(part.as_str(), prepared).map_err(|error| complaint(&error))
    }

    /// The names that tags of a part ask for; `attributes.x` counts as itself.
    pub(crate) fn names(&self, part: Part) -> Vec<String> {
        let Ok(template) = self.env.get_template(part.as_str()) else { return Vec::new() };
        let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        names.sort();
        names
    }

    /// # Errors
    /// [`RenderFailure`]. A part that was never added renders as nothing.
    pub(crate) fn render(&self, part: Part, fields: Value) -> Result<String, RenderFailure> {
        let Ok(template) = self.env.get_template(part.as_str()) else { return Ok(String::new()) };
        let text = template.render(fields).map_err(|error| RenderFailure::Template(complaint(&error)))?;
        if text.len() > MAX_PART_BYTES { Err(RenderFailure::TooLarge) } else { Ok(text) }
    }
}

/// An engine for links, where every printed value becomes one piece of a path or a query.
pub(crate) fn link_engine() -> Environment<'static> {
    let mut env = bare();
    env.set_formatter(|out, _, value| {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        out.write_str(&crate::url::encode_component(&text)).map_err(Error::from)
    });
    env
}

/// Knows nothing but our filters: no functions, no loader, no globals.
fn bare() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    filters::add_all(&mut env);
    env
}

fn complaint(error: &Error) -> Complaint {
    let detail = error.detail().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "a loop here runs too long, or makes too much text.".to_owned(),
        ErrorKind::UndefinedError => "a tag asks for a part of a field that does not exist.".to_owned(),
        ErrorKind::SyntaxError => format!("this tag cannot be read: {detail}."),
        kind if detail.is_empty() => format!("this tag cannot be filled in: {kind}."),
        _ => format!("this tag cannot be filled in: {detail}."),
    };
    Complaint::new(error.line().unwrap_or(1).max(1), message)
}
