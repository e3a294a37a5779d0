//! `/metrics`: counters and gauges in the Prometheus text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// Counts of this listener.
#[derive(Default)]
pub(super) struct HttpCounts {
    /// Answers by the first digit of their status.
    by_class: [AtomicU64; 6],
    /// Connections open.
    pub connections: AtomicU64,
}

impl HttpCounts {
    /// Counts an answer.
    pub fn count(&self, status: u16) {
        let class = usize::from(status / 100).min(5);
        self.by_class[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// Renders the metrics from what `system_health` tells and what was counted here.
pub(super) fn render(health: &Value, counts: &HttpCounts) -> String {
    let mut text = String::new();
    let number = |path: &str| health.pointer(path).and_then(Value::as_f64);
    let gauges = [
        (
            "up",
            "Whether everything is well: 1, or 0 when degraded",
            Some(f64::from(u8::from(health["status"] == "ok"))),
        ),
        (
            "uptime_seconds",
            "Time since the owner started",
            number("/uptime_seconds"),
        ),
        (
            "claims_active",
            "Claims that hold an issue",
            number("/active_claims"),
        ),
        (
            "claims_stale",
            "Claims whose agent has not been heard of",
            number("/stale_claims"),
        ),
        (
            "agents_active",
            "Agents that hold a claim",
            number("/active_agents"),
        ),
        (
            "gh_processes_running",
            "gh children alive",
            number("/gh/pool/running"),
        ),
        (
            "gh_processes_limit",
            "Most gh children at once",
            number("/gh/pool/limit"),
        ),
        (
            "gh_calls_queued",
            "GitHub calls that wait for a place",
            number("/gh/pool/queued"),
        ),
        (
            "github_rate_limit_remaining",
            "Points left of the scarcest budget",
            number("/gh/rate_limit/remaining"),
        ),
        (
            "http_connections",
            "Connections open",
            Some(counts.connections.load(Ordering::Relaxed) as f64),
        ),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "# HELP issuecommand_{name} {help}\n# TYPE issuecommand_{name} gauge\nissuecommand_{name} {value}"
            );
        }
    }
    if let Some(total) = number("/total_claims") {
        let _ = writeln!(
            text,
            "# HELP issuecommand_claims_total Claims ever granted\n# TYPE issuecommand_claims_total counter\nissuecommand_claims_total {total}"
        );
    }
    let _ = writeln!(
        text,
        "# HELP issuecommand_http_responses_total Answers by class of status\n# TYPE issuecommand_http_responses_total counter"
    );
    for (class, count) in counts.by_class.iter().enumerate().skip(1) {
        let _ = writeln!(
            text,
            "issuecommand_http_responses_total{{class=\"{class}xx\"}} {}",
            count.load(Ordering::Relaxed)
        );
    }
    text
}
