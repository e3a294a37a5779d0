//! Waits for checks that are longer than one call of the tool may be: a command makes call after
//! call.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ApiError;
use crate::service::{GetFailingTests, Reply, Request};

/// Longest wait of a command for checks, when the user does not say.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// The tool's shortest pause between two looks: a call for less time looks once and answers.
const PAUSE_MIN: Duration = Duration::from_secs(5);

/// Has `call` carry the request out, and where checks go on again for the time that is left.
///
/// # Errors
/// Those of `call`; the first one ends the wait.
pub(super) async fn to_the_end(
    mut request: Request,
    call: impl AsyncFn(Request) -> Result<Reply, ApiError>,
) -> Result<Reply, ApiError> {
    let began = Instant::now();
    let wait = wait_max(&request);
    loop {
        let call_began = Instant::now();
        let reply = call(request.clone()).await?;
        let left = wait.saturating_sub(began.elapsed());
        // A call that did not wait would not do so in what is left either.
        let has_time = left >= PAUSE_MIN && call_began.elapsed() >= PAUSE_MIN;
        match &mut request {
            Request::GetFailingTests(arguments) if has_time && goes_on(arguments, &reply) => {
                arguments.max_wait_seconds = Some(left.as_secs());
            }
            _ => return Ok(reply),
        }
    }
}

fn wait_max(request: &Request) -> Duration {
    match request {
        Request::GetFailingTests(arguments) => {
            (arguments.max_wait_seconds).map_or(WAIT_MAX, Duration::from_secs)
        }
        _ => WAIT_MAX,
    }
}

/// Whether the user waits for checks that go on.
fn goes_on(arguments: &GetFailingTests, reply: &Reply) -> bool {
    let record: serde_json::Value = serde_json::from_str(&reply.json()).unwrap_or_default();
    let ends = record["status"] == "failed" && arguments.bail_on_first.unwrap_or(true);
    arguments.wait == Some(true) && !ends && record["poll_info"].is_object()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use serde_json::{Value, json};

    use super::*;
    use crate::domain::limits;

    /// What the checks are at a second: their status, and whether that is final.
    type Checks = fn(u64) -> (&'static str, bool);

    /// Answers as the tool does: looks, and looks again after pauses while there is time.
    async fn tool(asked: &GetFailingTests, began: Instant, checks: Checks) -> Value {
        let most = asked.max_wait_seconds.unwrap_or(u64::MAX);
        let most = Duration::from_secs(most.min(limits::WAIT_SECONDS_MAX));
        let first_look = Instant::now();
        let mut pauses = [5, 10].into_iter().chain(std::iter::repeat(15));
        loop {
            let (status, is_final) = checks(began.elapsed().as_secs());
            let pause = Duration::from_secs(pauses.next().unwrap());
            let bails = status == "failed" && asked.bail_on_first.unwrap_or(true);
            let is_late = first_look.elapsed() + pause > most;
            if is_final || bails || is_late || asked.wait != Some(true) {
                let poll_info = (!is_final).then(|| json!({"retry_after_seconds": 15}));
                return json!({"status": status, "poll_info": poll_info});
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The waits that the calls allowed, the seconds that all of them took, and the last status.
    async fn asked(arguments: Value, checks: Checks) -> (Vec<Option<u64>>, u64, String) {
        let calls = RefCell::new(Vec::new());
        let began = Instant::now();
        let request = Request::GetFailingTests(serde_json::from_value(arguments).unwrap());
        let call = async |request: Request| {
            let Request::GetFailingTests(asked) = request else {
                panic!("{request:?} was not asked for");
            };
            calls.borrow_mut().push(asked.max_wait_seconds);
            Reply::new(&tool(&asked, began, checks).await)
        };
        let reply = to_the_end(request, call).await.unwrap();
        let record: Value = serde_json::from_str(&reply.json()).unwrap();
        let status = record["status"].as_str().unwrap().to_owned();
        (calls.into_inner(), began.elapsed().as_secs(), status)
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_as_long_as_it_may_and_no_longer() {
        let for_ever: Checks = |_| ("running", false);
        let pass_at_100: Checks = |at| match at {
            100.. => ("passed", true),
            _ => ("running", false),
        };
        let fail_at_3: Checks = |at| match at {
            50.. => ("failed", true),
            3.. => ("failed", false),
            _ => ("running", false),
        };
        let of = |calls: &[u64], seconds, status: &str| {
            let rest = calls.iter().copied().map(Some);
            (rest.collect::<Vec<_>>(), seconds, status.to_owned())
        };
        let waiting = |more: Value| {
            let mut arguments = json!({"pr": "acme/api#2", "wait": true});
            arguments
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            arguments
        };
        let plain = json!({"pr": "acme/api#2"});
        assert_eq!(
            asked(plain, for_ever).await,
            (vec![None], 0, "running".to_owned())
        );
        let limits: [(u64, &[u64]); 5] = [
            (0, &[0]),
            (4, &[4]),
            (20, &[20, 5]),
            (45, &[45]),
            (70, &[70, 25, 10, 5]),
        ];
        for (most, calls) in limits {
            let found = asked(waiting(json!({"max_wait_seconds": most})), for_ever).await;
            assert_eq!(
                found,
                of(calls, if most < 5 { 0 } else { most }, "running"),
                "{most}"
            );
        }
        let passed = asked(waiting(json!({})), pass_at_100).await;
        let calls = vec![None, Some(1_755), Some(1_710)];
        assert_eq!(passed, (calls, 105, "passed".to_owned()));
        let first = asked(waiting(json!({})), fail_at_3).await;
        assert_eq!(first, (vec![None], 5, "failed".to_owned()));
        let all = asked(waiting(json!({"bail_on_first": false})), fail_at_3).await;
        assert_eq!(all, (vec![None, Some(1_755)], 50, "failed".to_owned()));
        let (_, seconds, _) = asked(waiting(json!({})), for_ever).await;
        assert_eq!(seconds, WAIT_MAX.as_secs());
    }

    /// How many calls are made when each takes so many seconds and checks go on; the third fails.
    async fn calls_of(seconds: u64) -> (u32, bool) {
        let request = json!({"pr": "acme/api#2", "wait": true});
        let request = Request::GetFailingTests(serde_json::from_value(request).unwrap());
        let calls = Cell::new(0);
        let call = async |_: Request| {
            calls.set(calls.get() + 1);
            if calls.get() == 3 {
                return Err(ApiError::internal("lost"));
            }
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Reply::new(&json!({"status": "running", "poll_info": {}}))
        };
        let is_error = to_the_end(request, call).await.is_err();
        (calls.get(), is_error)
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_ends_the_wait_and_so_does_a_call_that_does_not_wait() {
        assert_eq!(calls_of(30).await, (3, true));
        assert_eq!(calls_of(0).await, (1, false));
    }
}
