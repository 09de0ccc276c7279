//! Prometheus' text format.

use std::fmt::{self, Display, Write};

/// Samples under the heads of their families.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They go up and down.
    Gauge,
    /// They only grow, or begin anew.
    Counter,
    /// They count what was no larger than each of some bounds.
    Histogram,
}

/// Labels of a sample, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels(String);

impl Exposition {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// A family of one sample.
    pub(super) fn single(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help);
        self.sample(name, &Labels::default(), value);
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels, value: impl Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

impl Labels {
    /// One more label; any text may be its value.
    pub(super) fn and(mut self, name: &str, value: impl Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{name}=\"");
        for letter in value.to_string().chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

impl Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_samples() {
        let mut text = Exposition::default();
        text.single(Kind::Gauge, "a", "An a.", 1);
        text.family(Kind::Counter, "b_total", "All b.");
        let labels = Labels::default().and("x", "1").and("y", "a\"b\\c\nd");
        text.sample("b_total", &labels, 0.5);
        assert_eq!(
            text.into_text(),
            "# HELP a An a.\n# TYPE a gauge\na 1\n# HELP b_total All b.\n# TYPE b_total counter\n\
             b_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 0.5\n"
        );
    }
}
