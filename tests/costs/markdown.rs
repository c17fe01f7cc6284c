//! Tables and numbers as Markdown.

use std::fmt;

/// A table whose first column is text and whose others are right-aligned.
pub struct Table {
    heading: String,
    rows: Vec<String>,
}

impl Table {
    pub fn new<C: fmt::Display>(first: &str, others: impl IntoIterator<Item = C>) -> Self {
        Self { heading: line(first, others), rows: Vec::new() }
    }

    pub fn row<C: fmt::Display>(&mut self, first: &str, others: impl IntoIterator<Item = C>) {
        self.rows.push(line(first, others));
    }
}

fn line<C: fmt::Display>(first: &str, others: impl IntoIterator<Item = C>) -> String {
    others.into_iter().fold(format!("| {first} |"), |line, cell| format!("{line} {cell} |"))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.heading.matches('|').count() - 2;
        write!(f, "{}\n| --- |{}", self.heading, " --: |".repeat(columns))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{row}"))
    }
}

/// Cents, as on a bill.
pub fn dollars(amount: f64) -> String {
    decimals(amount, 2)
}

/// With so many decimals, or none where there is nothing at all.
pub fn decimals(amount: f64, places: usize) -> String {
    if amount == 0.0 { "-".to_owned() } else { format!("{amount:.places$}") }
}

/// A price with all its decimals, two at least.
pub fn exact(price: f64) -> String {
    let cents = dollars(price);
    let all = price.to_string();
    if all.len() > cents.len() { all } else { cents }
}

/// A whole number, its digits in groups of three.
pub fn grouped(amount: f64) -> String {
    let digits = format!("{amount:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[test]
fn a_table_aligns_its_numbers() {
    let mut table = Table::new("", ["one", "two"]);
    table.row("cost", [dollars(1.005), dollars(0.0)]);
    assert_eq!(table.to_string(), "|  | one | two |\n| --- | --: | --: |\n| cost | 1.00 | - |");
}

#[test]
fn a_price_keeps_all_its_decimals() {
    assert_eq!([1.0, 0.5, 0.625, 0.000_013_333_4].map(exact), ["1.00", "0.50", "0.625", "0.0000133334"]);
}

#[test]
fn digits_stand_in_groups_of_three() {
    assert_eq!([7.0, 1234.4, 1_314_000.0].map(grouped), ["7", "1,234", "1,314,000"]);
}
