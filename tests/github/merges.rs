//! What merges depend on: checks of commits, rules of branches, reviews and GitHub's own verdict.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// What a pull request shows while nothing was said of it: it can be merged, nothing is demanded.
static PULL: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "mergeable": "MERGEABLE", "mergeStateStatus": "CLEAN", "reviewDecision": null,
        "viewerCanUpdateBranch": true, "viewerCanEnableAutoMerge": true,
        "viewerCanMergeAsAdmin": false, "isInMergeQueue": false, "isMergeQueueEnabled": false, "mergeQueueEntry": null,
        "autoMergeRequest": null,
        "baseRef": {"compare": {"behindBy": 0}, "associatedPullRequests": [],
            "refUpdateRule": null, "branchProtectionRule": null},
        "latestOpinionatedReviews": [], "reviewRequests": [], "reviewThreads": [],
        "commits": [{"commit": {"author": {"user": {"login": "octo"}},
            "committer": {"user": {"login": "octo"}}, "signature": null,
            "messageHeadline": "Change it", "messageBody": "", "statusCheckRollup": null}}],
    })
});

static REPOSITORY: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true,
        "autoMergeAllowed": false,
    })
});

/// Sums of checks.
static ROLLUPS: LazyLock<[Value; 3]> =
    LazyLock::new(|| ["FAILURE", "PENDING", "SUCCESS"].map(|state| json!({ "state": state })));

/// What merges into the branches of one repository depend on.
#[derive(Debug, Default)]
pub struct Merges {
    /// Fields of the repository and of pull requests by number, as GraphQL shows them; lists stand
    /// for connections.
    repository: Map<String, Value>,
    pulls: BTreeMap<u64, Map<String, Value>>,
    /// Active rules by branch, as REST shows them.
    pub(super) rules: BTreeMap<String, Vec<Value>>,
    /// Classic protection by branch, as REST shows it to everybody.
    pub(super) protection: BTreeMap<String, Value>,
    /// Check runs, commit statuses and workflow runs by commit.
    pub(super) check_runs: BTreeMap<String, Vec<Value>>,
    pub(super) statuses: BTreeMap<String, Vec<Value>>,
    pub(super) workflow_runs: BTreeMap<String, Vec<Value>>,
    /// Logs and annotations by job, changed files by pull request.
    pub(super) logs: BTreeMap<u64, Vec<u8>>,
    pub(super) annotations: BTreeMap<u64, Vec<Value>>,
    pub(super) files: BTreeMap<u64, Vec<Value>>,
    /// Steps by job, and artifacts of workflow runs with their archives.
    pub(super) steps: BTreeMap<u64, Vec<Value>>,
    pub(super) artifacts: Vec<(Value, Vec<u8>)>,
    /// Files and commits by the expression that names them, as GraphQL shows them.
    pub(super) objects: BTreeMap<String, Value>,
    /// Templates for descriptions.
    pub(super) templates: Vec<Value>,
    /// Changes of dependencies, as REST shows them; none where the graph is switched off.
    pub dependencies: Option<Vec<Value>>,
    /// A stack that GitHub keeps: its number, its base, its pull requests from the bottom up.
    pub(super) stack: Option<(u64, String, Vec<u64>)>,
    /// Whether stacks are told by their own routes.
    pub stacks_enabled: bool,
}

impl Merges {
    /// Says a field of the repository, as `squashMergeAllowed`.
    pub fn say(&mut self, field: &str, value: Value) -> &mut Self {
        assert!(!REPOSITORY[field].is_null(), "no field {field}");
        self.repository.insert(field.to_owned(), value);
        self
    }

    /// Says a field of a pull request, as `mergeStateStatus`.
    pub fn say_of(&mut self, number: u64, field: &str, value: Value) -> &mut Self {
        assert!(PULL.get(field).is_some(), "no field {field}");
        let fields = self.pulls.entry(number).or_default();
        fields.insert(field.to_owned(), value);
        self
    }

    /// Makes some pull requests a stack that GitHub keeps, from the bottom up.
    pub fn stack(&mut self, number: u64, base: &str, members: &[u64]) -> &mut Self {
        self.stack = Some((number, base.to_owned(), members.to_vec()));
        self.stacks_enabled = true;
        self
    }

    /// What a pull request says of its stack.
    pub(super) fn stack_of(&self, pull: u64) -> Value {
        let Some((number, base, members)) = &self.stack else {
            return Value::Null;
        };
        let place = members.iter().position(|member| *member == pull);
        place.map_or(Value::Null, |place| {
            json!({"id": number * 1_000, "number": number, "size": members.len(),
                "position": place + 1, "base": {"ref": base, "sha": "0".repeat(40)}})
        })
    }

    /// The sum of a commit's check runs and statuses; none without any.
    pub(super) fn rollup(&self, sha: &str) -> Option<&'static Value> {
        let runs = self.check_runs.get(sha).into_iter().flatten();
        let statuses = self.statuses.get(sha).into_iter().flatten();
        let runs = runs.map(|run| run["conclusion"].as_str().unwrap_or("pending"));
        let statuses = statuses.map(|status| status["state"].as_str().unwrap_or("pending"));
        let [failure, pending, success] = &*ROLLUPS;
        let sum = |sum: Option<&'static Value>, word: &str| match word {
            "success" | "neutral" | "skipped" => sum.or(Some(success)),
            "pending" if sum != Some(failure) => Some(pending),
            "pending" => sum,
            _ => Some(failure),
        };
        runs.chain(statuses).fold(None, sum)
    }

    /// Whether a field of a pull request was said.
    pub(super) fn is_said(&self, number: u64, field: &str) -> bool {
        let fields = self.pulls.get(&number);
        fields.is_some_and(|fields| fields.contains_key(field))
    }

    /// A field of a pull request.
    pub(super) fn of(&self, number: u64, field: &str) -> &Value {
        let said = self.pulls.get(&number).and_then(|fields| fields.get(field));
        said.unwrap_or(&PULL[field])
    }

    /// A field of the repository.
    pub(super) fn of_repository(&self, field: &str) -> &Value {
        self.repository.get(field).unwrap_or(&REPOSITORY[field])
    }

    /// Adds a rule of a ruleset to a branch.
    pub fn rule(&mut self, branch: &str, kind: &str, parameters: Value) -> &mut Self {
        let rules = self.rules.entry(branch.to_owned()).or_default();
        rules.push(json!({
            "type": kind, "ruleset_source_type": "Repository", "ruleset_source": "acme/api",
            "ruleset_id": 42, "parameters": parameters,
        }));
        self
    }

    /// Demands checks by classic protection.
    pub fn protect(&mut self, branch: &str, contexts: &[&str]) -> &mut Self {
        let checks: Vec<Value> = contexts
            .iter()
            .map(|name| json!({"context": name, "app_id": null}))
            .collect();
        let demanded =
            json!({"enforcement_level": "non_admins", "contexts": contexts, "checks": checks});
        let protection = json!({"enabled": true, "required_status_checks": demanded});
        self.protection.insert(branch.to_owned(), protection);
        self
    }

    /// Reports a check run of GitHub Actions; a conclusion of `queued` or `in_progress` is none.
    pub fn check_run(&mut self, sha: &str, name: &str, conclusion: &str) -> &mut Self {
        let running = matches!(conclusion, "queued" | "in_progress");
        let id = 900 + self.check_runs.values().flatten().count();
        let runs = self.check_runs.entry(sha.to_owned()).or_default();
        runs.push(json!({
            "id": id, "name": name, "head_sha": sha,
            "status": if running { conclusion } else { "completed" },
            "conclusion": if running { Value::Null } else { conclusion.into() },
            "started_at": "2026-01-02T03:04:05Z",
            "completed_at": if running { Value::Null } else { "2026-01-02T03:05:05Z".into() },
            "details_url": format!("https://github.com/acme/api/actions/runs/9/job/{id}"),
            "html_url": format!("https://github.com/acme/api/runs/{id}"),
            "output": {"title": null, "summary": null, "text": null, "annotations_count": 0},
            "app": {"id": 15368, "slug": "github-actions", "name": "GitHub Actions"},
            "check_suite": {"id": 90},
        }));
        self
    }

    /// Says fields of the last run of a workflow, as `name`.
    pub fn say_of_run(&mut self, sha: &str, fields: &[(&str, Value)]) -> &mut Self {
        let runs = self.workflow_runs.get_mut(sha);
        let run = runs.and_then(|runs| runs.last_mut());
        let run = run.expect("there is a run");
        for (name, value) in fields {
            run[*name] = value.clone();
        }
        self
    }

    /// Says fields of the last reported check run of a commit, as `output`.
    pub fn say_of_check(&mut self, sha: &str, fields: &[(&str, Value)]) -> &mut Self {
        let runs = self.check_runs.get_mut(sha);
        let run = runs.and_then(|runs| runs.last_mut());
        let run = run.expect("there is a check run");
        for (name, value) in fields {
            run[*name] = value.clone();
        }
        self
    }

    /// Gives the last reported check run of a commit a log.
    pub fn log(&mut self, sha: &str, log: impl Into<Vec<u8>>) -> &mut Self {
        let id = self.last_job(sha);
        self.logs.insert(id, log.into());
        self
    }

    /// Adds a step to the last reported check run of a commit.
    pub fn step(&mut self, sha: &str, name: &str, conclusion: Option<&str>) -> &mut Self {
        let steps = self.steps.entry(self.last_job(sha)).or_default();
        steps.push(json!({
            "name": name, "number": steps.len() + 1, "conclusion": conclusion,
            "status": if conclusion.is_some() { "completed" } else { "in_progress" },
        }));
        self
    }

    /// Says fields of the last step of the last reported check run of a commit, as `started_at`.
    pub fn say_of_step(&mut self, sha: &str, fields: &[(&str, Value)]) -> &mut Self {
        let steps = self.steps.get_mut(&self.last_job(sha));
        let step = steps.and_then(|steps| steps.last_mut());
        let step = step.expect("there is a step");
        for (name, value) in fields {
            step[*name] = value.clone();
        }
        self
    }

    /// Uploads an archive as an artifact of a workflow run.
    pub fn artifact(&mut self, run: u64, name: &str, archive: Vec<u8>) -> &mut Self {
        let id = 700 + self.artifacts.len();
        let told = json!({
            "id": id, "name": name, "size_in_bytes": archive.len(), "expired": false,
            "created_at": "2026-01-02T03:05:00Z", "workflow_run": {"id": run},
        });
        self.artifacts.push((told, archive));
        self
    }

    /// Says a field of the last artifact, as `expired`.
    pub fn say_of_artifact(&mut self, field: &str, value: Value) -> &mut Self {
        let (told, _) = self.artifacts.last_mut().expect("there is an artifact");
        told[field] = value;
        self
    }

    /// Marks a line of a file in the last reported check run of a commit.
    pub fn annotate(&mut self, sha: &str, path: &str, line: u32, message: &str) -> &mut Self {
        let annotations = self.annotations.entry(self.last_job(sha)).or_default();
        annotations.push(json!({
            "path": path, "start_line": line, "end_line": line, "annotation_level": "failure",
            "title": null, "message": message, "raw_details": null,
        }));
        self
    }

    /// Puts a text file on a branch.
    pub fn file(&mut self, branch: &str, path: &str, text: &str) -> &mut Self {
        let expression = format!("refs/heads/{branch}:{path}");
        let blob = json!({"__typename": "Blob", "text": text, "isTruncated": false});
        self.objects.insert(expression, blob);
        self
    }

    /// Says who wrote the commits on a branch that changed a file, newest first; a name of `-` has
    /// no account.
    pub fn authors(&mut self, branch: &str, path: &str, logins: &[&str]) -> &mut Self {
        let user = |login: &&str| match *login {
            "-" => Value::Null,
            login => json!({"login": login}),
        };
        let commits = logins
            .iter()
            .map(|login| json!({"author": {"user": user(login)}}));
        let commits: Value = commits.collect();
        let commit = self.objects.entry(format!("refs/heads/{branch}"));
        let commit = commit.or_insert_with(|| json!({"__typename": "Commit", "histories": {}}));
        commit["histories"][path] = commits;
        self
    }

    /// Adds a template for descriptions.
    pub fn template(&mut self, body: &str) -> &mut Self {
        self.templates.push(json!({"body": body}));
        self
    }

    /// Says what the dependency graph knows of a change.
    pub fn dependency(&mut self, change: Value) -> &mut Self {
        self.dependencies.get_or_insert_default().push(change);
        self
    }

    /// Says that a pull request changes a file.
    pub fn changes(&mut self, number: u64, path: &str) -> &mut Self {
        self.changes_file(
            number,
            json!({"filename": path, "status": "modified", "additions": 1, "deletions": 1}),
        )
    }

    /// Says how a pull request changes a file, as REST shows it.
    pub fn changes_file(&mut self, number: u64, file: Value) -> &mut Self {
        self.files.entry(number).or_default().push(file);
        self
    }

    /// The files that a pull request changes, as REST shows them.
    pub(super) fn files_of(&self, number: u64) -> &[Value] {
        self.files.get(&number).map_or(&[], Vec::as_slice)
    }

    fn last_job(&self, sha: &str) -> u64 {
        let last = self.check_runs.get(sha).and_then(|runs| runs.last());
        last.and_then(|run| run["id"].as_u64())
            .expect("a check run was reported")
    }

    /// Reports a commit status.
    pub fn status(&mut self, sha: &str, context: &str, state: &str) -> &mut Self {
        let statuses = self.statuses.entry(sha.to_owned()).or_default();
        statuses.push(json!({
            "id": statuses.len() + 1, "context": context, "state": state, "description": null,
            "target_url": null, "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
        }));
        self
    }

    /// Forgets the checks of a commit: it is run again.
    pub fn forget_checks(&mut self, sha: &str) -> &mut Self {
        self.check_runs.remove(sha);
        self
    }

    /// Adds a run of a workflow; a conclusion of `queued` or `in_progress` is none.
    pub fn workflow_run(&mut self, sha: &str, id: u64, conclusion: &str) -> &mut Self {
        let runs = self.workflow_runs.entry(sha.to_owned()).or_default();
        let running = matches!(conclusion, "queued" | "in_progress");
        runs.push(json!({
            "id": id, "name": "CI", "workflow_id": 7, "path": ".github/workflows/ci.yml", "head_sha": sha,
            "event": "pull_request", "run_attempt": 1,
            "status": if running { conclusion } else { "completed" },
            "conclusion": if running { Value::Null } else { conclusion.into() },
            "check_suite_id": 90, "html_url": format!("https://github.com/acme/api/actions/runs/{id}"),
        }));
        self
    }

    /// Makes the last run of a workflow its second attempt.
    pub fn run_again(&mut self, sha: &str) -> &mut Self {
        let runs = self.workflow_runs.get_mut(sha);
        let run = runs.and_then(|runs| runs.last_mut());
        run.expect("a workflow run was added")["run_attempt"] = 2.into();
        self
    }
}
