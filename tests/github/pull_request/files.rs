//! The branches and files of the repository.

use super::super::store::Store;

/// The branch of the failing pull request.
pub(super) const HEAD: &str = "fix/rounding";
/// The branch that builds on it.
pub(super) const STACKED: &str = "feat/receipts";
/// The branch that conflicts with `main`.
pub(super) const CONFLICTING: &str = "feat/currency-sign";

pub(super) const CODEOWNERS: &str = "*           @grace\n/backend/   @lea\n/importer/  @kim\n";

const MONEY: &str = r#"//! Amounts of money.

/// An amount in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub cents: i64,
}

impl Money {
    /// A price with fractions of a cent, in whole cents.
    pub fn rounded(price: f64) -> Self {
        let cents = (price * 100.0).round();
        Self { cents: cents as i64 }
    }

    /// The sum of some amounts.
    pub fn sum(amounts: &[Self]) -> Self {
        let cents = amounts.iter().map(|amount| amount.cents).sum();
        Self { cents }
    }

    /// As people read it.
    pub fn shown(self) -> String {
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }
}
"#;
const SHOWN: &str = r#"format!("{}.{:02}", self"#;

const PRICES: &str = "\"\"\"Prices of a supplier's feed.\"\"\"\n\nfrom decimal import ROUND_HALF_UP, Decimal\n\nCENT = Decimal(\"0.01\")\n\n\ndef rounded(price: str) -> Decimal:\n    return Decimal(price).quantize(CENT, ROUND_HALF_UP)\n";

const TOTAL: &str = "import type { Line } from './line';\n\nexport const cents = (price: number): number => Math.round(price * 100);\n\nexport const total = (lines: Line[]): number =>\n  lines.reduce((sum, line) => sum + cents(line.price) * line.count, 0);\n";

const RECEIPT: &str = "//! Receipts.\n\nuse crate::money::Money;\n\n/// The last line of a receipt.\npub fn last_line(total: Money) -> String {\n    format!(\"total {}\", total.shown())\n}\n";

/// A repository with all branches.
pub(super) struct Branches {
    pub(super) store: Store,
    /// The commit of the pull request that was reviewed; another one was pushed since.
    pub(super) reviewed: String,
}

pub(super) fn store() -> Branches {
    let store = Store::new(&[
        (".github/CODEOWNERS", "100644", CODEOWNERS.as_bytes()),
        ("README.md", "100644", b"# A shop\n"),
        ("backend/src/money.rs", "100644", MONEY.as_bytes()),
        ("importer/importer/prices.py", "100644", PRICES.as_bytes()),
        ("web/src/cart/total.ts", "100644", TOTAL.as_bytes()),
    ]);
    let start = store.tip("main").expect("there is a first commit");
    for branch in [HEAD, CONFLICTING] {
        store.create_branch(branch, &start).expect("it is new");
    }
    let even = MONEY.replace(".round()", ".round_ties_even()");
    let prices = PRICES.replace("ROUND_HALF_UP", "ROUND_HALF_EVEN");
    let files = [
        ("backend/src/money.rs", even.as_str()),
        ("importer/importer/prices.py", &prices),
    ];
    let reviewed = store.push(HEAD, "Round half cents to even", &files);
    let total = TOTAL.replace(
        "Math.round(price * 100);",
        "{\n  const exact = price * 100;\n  const down = Math.floor(exact);\n  if (exact - down !== 0.5) return Math.round(exact);\n  return down % 2 === 0 ? down : down + 1;\n};",
    );
    let files = [("web/src/cart/total.ts", total.as_str())];
    let head = store.push(HEAD, "Round in the web shop, too", &files);
    store.create_branch(STACKED, &head).expect("it is new");
    let files = [("backend/src/receipt.rs", RECEIPT)];
    store.push(STACKED, "Print receipts", &files);
    for (branch, subject, shown) in [
        (
            "main",
            "Name the currency (#57)",
            r#"format!("{}.{:02} EUR", self"#,
        ),
        (
            CONFLICTING,
            "Show the sign of the currency",
            r#"format!("€ {}.{:02}", self"#,
        ),
    ] {
        let money = MONEY.replace(SHOWN, shown);
        store.push(branch, subject, &[("backend/src/money.rs", &money)]);
    }
    Branches { store, reviewed }
}
