//! Columns of text.

use std::time::Duration;

/// Rows under a heading, columns two spaces apart, no border: so that `cut`, `awk`
/// and the eye can all read it. Nothing is wrapped or cut off.
pub(super) fn render<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(rows);
    align(&lines)
}

/// Names and values, one pair a line.
pub(super) fn facts(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let lines: Vec<[String; 2]> = pairs
        .into_iter()
        .map(|(name, value)| [name.to_owned(), value])
        .collect();
    align(&lines)
}

/// `list` joined by commas, or a dash, since an empty cell looks like a mistake.
pub(super) fn joined(list: impl IntoIterator<Item = String>) -> String {
    let text = list.into_iter().collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// `text`, or a dash.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or("-")
        .to_owned()
}

/// A time for people: `90s`, `10m`.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        whole if whole >= 60 && whole % 60 == 0 => format!("{}m", whole / 60),
        whole => format!("{whole}s"),
    }
}

/// Lines of cells, each column as wide as its widest cell.
pub(super) fn align<L: AsRef<[String]>>(lines: &[L]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        let line = line.as_ref();
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = length(cell).max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let start = text.len();
        for (cell, width) in line.as_ref().iter().zip(&widths) {
            text.push_str(&plain(cell));
            text.push_str(&" ".repeat(width - length(cell) + 2));
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

/// What a task wrote must not end the line or move the cursor.
pub(super) fn plain(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["é".to_owned(), "x\ny".to_owned()],
            ["long".to_owned(), String::new()],
        ];
        assert_eq!(render(["A", "B"], rows), "A     B\né     x y\nlong\n");
    }

    #[test]
    fn times_for_people() {
        for (given, expected) in [(5, "5s"), (90, "90s"), (600, "10m")] {
            assert_eq!(seconds(Duration::from_secs(given)), expected);
        }
    }
}
