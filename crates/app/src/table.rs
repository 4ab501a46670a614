//! Tables for a terminal.

/// Columns as wide as their widest cell, the last one as it is.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>(), &widths);
    for row in rows {
        line(row, &widths);
    }
}

fn line(cells: &[String], widths: &[usize]) {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    println!("{}", padded.join("  ").trim_end());
}

/// The first line of a text, cut to so many characters; control characters are left out.
pub fn short(text: &str, characters: usize) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= characters {
        return line;
    }
    line.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// `4 s`, `3 min`, `2 h`, `5 d`.
pub fn about(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        s if s < 90 => format!("{s} s"),
        s if s < 5_400 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_strangers_stay_on_their_line() {
        assert_eq!(short("451 4.3.0 later\nmore", 40), "451 4.3.0 later");
        assert_eq!(short("\u{1b}[31mred", 40), "[31mred");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
