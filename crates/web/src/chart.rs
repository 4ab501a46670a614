//! Charts that the server draws: inline SVG without style attributes, so the strict policy holds.

use crate::text::number;

/// One part of a bar. `class` is one of `ok`, `live`, `warn`, `bad`, `doubt`, `muted`, `rest`.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub class: &'static str,
    pub label: String,
    pub n: i64,
    /// Percent from the left, and percent of the width.
    pub x: f64,
    pub width: f64,
}

/// A bar whose parts sum to its total; what is missing stays the empty rest.
#[derive(Debug, Clone, Default)]
pub struct StackedBar {
    parts: Vec<Part>,
    total: i64,
}

impl StackedBar {
    /// Parts in the order of drawing; those of zero are left out.
    pub fn new(total: i64, parts: impl IntoIterator<Item = (&'static str, String, i64)>) -> Self {
        let mut x = 0.0;
        let share = |n: i64| if total > 0 { round(n as f64 * 100.0 / total as f64) } else { 0.0 };
        let drawn = parts.into_iter().filter(|(_, _, n)| *n > 0).map(|(class, label, n)| {
            let part = Part { class, label, n, x: round(x), width: share(n) };
            x += part.width;
            part
        });
        Self { parts: drawn.collect(), total }
    }

    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The same in words.
    #[must_use]
    pub fn label(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| format!("{} {}", part.label, number(part.n))).collect();
        format!("Of {}: {}", number(self.total), parts.join(", "))
    }
}

fn round(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// A small line without axes.
#[derive(Debug, Clone, Default)]
pub struct Sparkline {
    pub label: String,
    /// For a view box of 100 × 24.
    pub points: String,
}

impl Sparkline {
    #[must_use]
    pub fn new(label: String, values: &[i64]) -> Self {
        let top = values.iter().copied().max().unwrap_or(0).max(1) as f64;
        let step = 100.0 / (values.len().max(2) - 1) as f64;
        let point = |(at, value): (usize, &i64)| {
            format!("{},{}", round(at as f64 * step), round(23.0 - *value as f64 / top * 22.0))
        };
        Self { label, points: values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_bar_lie_side_by_side_and_sum_up() {
        let bar = StackedBar::new(
            200,
            [("ok", "Accepted".into(), 150), ("bad", "Bounced".into(), 0), ("warn", "Deferred".into(), 50)],
        );
        let drawn: Vec<_> = bar.parts().iter().map(|part| (part.class, part.x, part.width)).collect();
        assert_eq!(drawn, [("ok", 0.0, 75.0), ("warn", 75.0, 25.0)]);
        assert_eq!(bar.label(), "Of 200: Accepted 150, Deferred 50");
    }

    #[test]
    fn an_empty_bar_and_line_are_drawn_too() {
        assert!(StackedBar::new(0, [("ok", "Accepted".into(), 0)]).parts().is_empty());
        assert_eq!(Sparkline::new("rate".into(), &[]).points, "");
        assert_eq!(Sparkline::new("rate".into(), &[0, 10]).points, "0,23 100,1");
    }
}
