//! What a section found: a table, the bars, and the same for machines.

use serde_json::{Value, json};

/// Which side of the bar is good.
#[derive(Clone, Copy)]
pub enum Side {
    /// Met from the bar upwards.
    AtLeast,
    /// Met up to the bar.
    AtMost,
}

/// A figure with a promise attached.
pub struct Bar {
    name: String,
    value: Option<f64>,
    side: Side,
    bar: f64,
}

impl Bar {
    /// `value` is `None` where it could not be measured; the bar is not met then.
    pub fn new(name: impl Into<String>, value: Option<f64>, side: Side, bar: f64) -> Self {
        Self {
            name: name.into(),
            value,
            side,
            bar,
        }
    }

    fn met(&self) -> bool {
        self.value.is_some_and(|value| match self.side {
            Side::AtLeast => value >= self.bar,
            Side::AtMost => value <= self.bar,
        })
    }
}

/// The result of one section.
pub struct Report {
    section: &'static str,
    machine: String,
    notes: Vec<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    bars: Vec<Bar>,
    figures: Vec<Value>,
}

impl Report {
    /// An empty report of `section`, whose first line is `machine`.
    pub fn new(section: &'static str, machine: String, header: &[&str]) -> Self {
        Self {
            section,
            machine,
            notes: Vec::new(),
            header: header.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
            bars: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// A line printed above the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// A row of the table, and its figures for `--json`.
    pub fn row(&mut self, cells: Vec<String>, figures: Value) {
        self.rows.push(cells);
        self.figures.push(figures);
    }

    /// A bar, printed below the table.
    pub fn bar(&mut self, bar: Bar) {
        self.bars.push(bar);
    }

    /// Whether every bar is met.
    pub fn all_met(&self) -> bool {
        self.bars.iter().all(Bar::met)
    }

    /// Prints it as text.
    pub fn print(&self) {
        println!("{}: {}", self.section, self.machine);
        for note in &self.notes {
            println!("  {note}");
        }
        println!();
        let mut lines = vec![self.header.clone()];
        lines.extend(self.rows.iter().cloned());
        print_aligned(&lines);
        if !self.bars.is_empty() {
            println!();
        }
        let lines: Vec<Vec<String>> = self.bars.iter().map(bar_cells).collect();
        print_aligned(&lines);
        println!();
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        let bars: Vec<Value> = self
            .bars
            .iter()
            .map(|bar| {
                let side = match bar.side {
                    Side::AtLeast => "at_least",
                    Side::AtMost => "at_most",
                };
                json!({"name": bar.name, "value": bar.value, side: bar.bar, "met": bar.met()})
            })
            .collect();
        json!({
            "section": self.section, "machine": self.machine, "notes": self.notes,
            "figures": self.figures, "bars": bars,
        })
    }
}

fn bar_cells(bar: &Bar) -> Vec<String> {
    let value = bar
        .value
        .map_or_else(|| "not measured".to_owned(), |value| format!("{value:.3}"));
    let side = match bar.side {
        Side::AtLeast => "at least",
        Side::AtMost => "at most",
    };
    let met = if bar.met() { "met" } else { "NOT met" };
    vec![
        bar.name.clone(),
        value,
        format!("{side} {}", bar.bar),
        met.to_owned(),
    ]
}

/// The first column to the left, the others to the right.
fn print_aligned(lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        println!("  {}", cells.join("  ").trim_end());
    }
}

/// The median of `values`; `None` where there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// A whole number with thin groups of three: `66 600`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
