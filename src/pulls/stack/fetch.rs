//! GitHub's answers to the questions of discovery and judgement.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::TOOL;
use super::commands::Setting;
use super::discover::{LAYERS_MAX, Question, ROUNDS_MAX, Stack};
use super::facts::{Comparison, Comparisons, Layer, Pair};
use super::judge::{Verdict, Wish, judge};
use super::nodes::{COMMITS, CommitNode, Commits, Counted, LAYER, NamedRef, Node, Nodes};
use super::query::{StackQuery, check_target, no_target, not_on, not_stacked};
use super::report::{Material, levels, report};
use crate::domain::ApiError;
use crate::gh::{ApiPath, GhError};
use crate::pulls::head_cursor::Call;
use crate::pulls::native_stack::{self, NativeStack, StackMember};
use crate::pulls::overflow::{self, Position};
use crate::pulls::{PullSource, Pulls, RollupState, Warning};

/// Most branches of one query: each brings up to fifty pull requests with their events.
const QUESTIONS_A_QUERY: usize = 8;
/// Most comparisons under way at once: other calls want the pool, too.
const COMPARISONS_AT_ONCE: usize = 4;
/// Judgement asks for the versions of a layer, then whether the old base has landed, then goes one
/// layer down; this many times is more than any stack within [`ROUNDS_MAX`] needs.
const JUDGEMENTS_MAX: usize = 3 * ROUNDS_MAX;

/// Finds the stack of a pull request and plans what it needs: the page of it that was asked for, as
/// compact JSON. Nothing is changed.
///
/// # Errors
/// `head_moved` for a cursor of an older head, or of a plan that is another one since;
/// `not_stacked` when nothing builds on it and it builds on nothing, or not on what was named;
/// `pr_not_open` when it was closed and belongs to no stack or shall be moved; `target_not_found`
/// for a branch that does not exist; `invalid_argument` for a bad remote or for a branch that
/// builds on what shall be moved onto it; else as the gh floor tells.
pub async fn manage_stacked_prs(
    pulls: &Pulls,
    query: StackQuery,
    now: Timestamp,
) -> Result<Box<RawValue>, ApiError> {
    let query = query.checked()?;
    let setting = Setting {
        repo: query.pr.repo.clone(),
        host: pulls.gh().host().clone(),
        remote: query.remote.clone(),
        native: false,
    }
    .checked()?;
    let source = Arc::new(pulls.open(query.pr.clone()).await?);
    let call = Call::new(TOOL, &query.filters(), &source.pull.head.sha);
    let given = query.cursor.as_deref();
    let position = given
        .map(|given| Position::read(&call, given))
        .transpose()?;
    let is_native = source.pull.stack.is_some();
    let native = NativeStack::of(source.pull.stack.as_ref());
    let setting = Setting {
        native: is_native,
        ..setting
    };
    let mut reader = Reader {
        source: source.clone(),
        warnings: Vec::new(),
    };
    let kept = reader.kept(native.as_ref()).await;
    let stack = reader.stack(&kept).await;
    let mut stack = stack.map_err(|error| error.to_api())?;
    if let Some(base) = &query.base_pr
        && !stack.builds_on(stack.selected, base.number)
    {
        return Err(not_on(&source, &stack, base));
    }
    let mut comparisons = Comparisons::default();
    match &query.wish.target {
        Some(target) => {
            check_target(&source, &stack, target)?;
            let head = stack.layer(stack.selected).map(|layer| &layer.head_sha);
            let pair = (target.clone(), head.cloned().unwrap_or_default());
            let found = compare(&source, &pair).await;
            let found = found.map_err(|error| no_target(&source, target, &error))?;
            comparisons.add(pair, Ok(found));
        }
        None if stack.members().len() < 2 && !is_native => return Err(not_stacked(&source)),
        None => {}
    }
    reader.commits(&mut stack).await;
    let verdicts = reader.judged(&stack, &query.wish, &mut comparisons).await;
    let report = report(&Material {
        pr: source.id.to_string(),
        setting: &setting,
        stack: &stack,
        verdicts: &verdicts,
        comparisons: &comparisons,
        fix_loop: query.fix_loop,
        warnings: reader.warnings,
        native: native.as_ref(),
        now: source.as_of(now),
    });
    overflow::page(&call, &report, &levels(), position)
}

/// The answer to a question of discovery.
struct Found {
    layers: Vec<Layer>,
    /// How many there are; not all of them may have been read.
    all: u64,
    /// How many pull requests were merged into the branch.
    merged: u64,
}

type Answers = BTreeMap<Question, Found>;

struct Reader {
    source: Arc<PullSource>,
    warnings: Vec<Warning>,
}

impl Reader {
    /// The pull requests of the stack that GitHub keeps, from the bottom to the top; none where it
    /// keeps none, or does not tell.
    async fn kept(&mut self, native: Option<&NativeStack>) -> Vec<u64> {
        const EFFECT: &str = "its order is derived from the bases of its pull requests";
        let reason = match native {
            None if self.source.pull.stack.is_none() => return Vec::new(),
            None => "GitHub tells of the stack in a form that is not known here".to_owned(),
            Some(native) => match native_stack::members(&self.source, native).await {
                Ok(members) => {
                    let cut = native.lacking(&members);
                    let warn =
                        |reason| Warning::new("native_stack", reason, "its ends are missing");
                    self.warnings.extend(cut.map(warn));
                    return self.window(&members);
                }
                Err(error) => error.to_string(),
            },
        };
        self.warnings
            .push(Warning::new("native_stack", reason, EFFECT));
        Vec::new()
    }

    /// As many layers as are looked at: the lowest, unless the selected one is further up.
    fn window(&mut self, members: &[StackMember]) -> Vec<u64> {
        let numbers: Vec<u64> = members.iter().map(|member| member.number).collect();
        let selected = numbers
            .iter()
            .position(|number| *number == self.source.id.number);
        let Some(selected) = selected else {
            let reason = "the stack does not name this pull request any more";
            const EFFECT: &str = "its order is derived from the bases of its pull requests";
            self.warnings
                .push(Warning::new("native_stack", reason, EFFECT));
            return Vec::new();
        };
        if numbers.len() > LAYERS_MAX {
            let reason = format!("{} layers, of which {LAYERS_MAX} are shown", numbers.len());
            self.warnings
                .push(Warning::new("native_stack", reason, "its ends are missing"));
        }
        let start = (selected + 1).saturating_sub(LAYERS_MAX);
        numbers.into_iter().skip(start).take(LAYERS_MAX).collect()
    }

    /// Asks until the stack is complete, of which some layers are known in their order.
    async fn stack(&mut self, kept: &[u64]) -> Result<Stack, GhError> {
        let pull = &self.source.pull;
        // Most likely the first questions; they save a round.
        let mut first = vec![Question::From(pull.base.name.clone())];
        if !pull.is_from_fork() {
            first.push(Question::Onto(pull.head.name.clone()));
        }
        let (mut repository, mut ready) = self.ask(&first, Some(kept)).await?;
        let default_branch: NamedRef = take(&mut repository, "defaultBranchRef")?;
        let selected: Node = take(&mut repository, "pullRequest")?;
        let mut stack = Stack::new(selected.into_layer(), default_branch.name);
        let layers = kept.iter().map(|number| {
            let layer: Option<Node> = take(&mut repository, &format!("k{number}"))?;
            Ok(layer.map(Node::into_layer))
        });
        let layers: Vec<Option<Layer>> = layers.collect::<Result<_, GhError>>()?;
        // With a gap in it the order would put a layer on a wrong one.
        let layers: Option<Vec<Layer>> = layers.into_iter().collect();
        stack.keep(layers.unwrap_or_default());
        for _ in 0..ROUNDS_MAX {
            let questions = stack.questions();
            if questions.is_empty() {
                return Ok(stack);
            }
            let new: Vec<Question> = questions
                .iter()
                .filter(|question| !ready.contains_key(question))
                .cloned()
                .collect();
            for some in new.chunks(QUESTIONS_A_QUERY) {
                ready.extend(self.ask(some, None).await?.1);
            }
            for question in &questions {
                let Some(found) = ready.remove(question) else {
                    continue;
                };
                // Not where it was asked in advance and for nothing: every fork has a branch of the
                // default one's name.
                if found.all > found.layers.len() as u64 {
                    let seen = found.layers.len();
                    self.warnings.push(not_all(question, seen, found.all));
                }
                stack.answer(question, found.layers, found.merged);
            }
        }
        let reason = format!("deeper than {ROUNDS_MAX} layers");
        self.warnings
            .push(Warning::new("stack", reason, "its ends may be missing"));
        Ok(stack)
    }

    /// Asks some questions, and first of all for the selected pull request and those of a stack that
    /// GitHub keeps by their numbers.
    async fn ask(
        &mut self,
        questions: &[Question],
        kept: Option<&[u64]>,
    ) -> Result<(Value, Answers), GhError> {
        let mut variables = self.source.variables();
        let mut parameters = "$owner:String!,$repo:String!,$pr:Int!".to_owned();
        let mut fields = String::new();
        if let Some(kept) = kept {
            fields.push_str("defaultBranchRef{name} pullRequest(number:$pr){...Layer} ");
            for number in kept {
                let _ = write!(
                    fields,
                    "k{number}:pullRequest(number:{number}){{...Layer}} "
                );
            }
        } else {
            // A variable that is not used is an error.
            parameters.truncate("$owner:String!,$repo:String!".len());
            if let Some(variables) = variables.as_object_mut() {
                variables.remove("pr");
            }
        }
        const NEWEST: &str = "orderBy:{field:CREATED_AT,direction:DESC}";
        for (place, question) in questions.iter().enumerate() {
            let _ = write!(parameters, ",$b{place}:String!");
            let branch = match question {
                Question::From(branch) => {
                    let _ = write!(
                        fields,
                        "q{place}:pullRequests(headRefName:$b{place},first:10,{NEWEST}){{totalCount nodes{{...Layer}}}} "
                    );
                    branch
                }
                Question::Onto(branch) => {
                    let _ = write!(
                        fields,
                        "q{place}:pullRequests(baseRefName:$b{place},states:[OPEN,CLOSED],first:50,{NEWEST})\
                         {{totalCount nodes{{...Layer}}}} \
                         m{place}:pullRequests(baseRefName:$b{place},states:[MERGED]){{totalCount}} "
                    );
                    branch
                }
            };
            variables[format!("b{place}")] = json!(branch);
        }
        let document = format!(
            "query StackRound({parameters}){{repository(owner:$owner,name:$repo){{{fields}}}}} {LAYER}"
        );
        const EFFECT: &str = "layers may be missing";
        let needed = kept.map(|_| "pullRequest");
        let (mut repository, _) = self.graph(&document, variables, needed, EFFECT).await?;
        let mut answers = Answers::new();
        for (place, question) in questions.iter().enumerate() {
            let page: Option<Nodes<Node>> = take(&mut repository, &format!("q{place}"))?;
            let merged: Option<Counted> = take(&mut repository, &format!("m{place}"))?;
            let (nodes, all) = page.map_or((Vec::new(), 0), |page| (page.nodes, page.total_count));
            let found = Found {
                layers: nodes.into_iter().map(Node::into_layer).collect(),
                all,
                merged: merged.map(|merged| merged.total_count).unwrap_or_default(),
            };
            answers.insert(question.clone(), found);
        }
        Ok((repository, answers))
    }

    /// Brings the commits of all members, and how their checks stand. Without them old bases are
    /// found all the same.
    async fn commits(&mut self, stack: &mut Stack) {
        let members = stack.members();
        let mut fields = String::new();
        for number in &members {
            let _ = write!(
                fields,
                "p{number}:pullRequest(number:{number}){{{COMMITS}}} "
            );
        }
        let document = format!(
            "query StackCommits($owner:String!,$repo:String!){{repository(owner:$owner,name:$repo){{{fields}}}}}"
        );
        let mut variables = self.source.variables();
        if let Some(variables) = variables.as_object_mut() {
            variables.remove("pr");
        }
        const EFFECT: &str = "own commits are counted, not listed; ci is unknown";
        let read = self.graph(&document, variables, None, EFFECT).await;
        let (mut repository, complete) = match read {
            Ok(read) => read,
            Err(error) => {
                self.warnings.push(Warning::new("commits", error, EFFECT));
                return;
            }
        };
        for number in members {
            let node: Option<Commits> = take(&mut repository, &format!("p{number}")).ok().flatten();
            if let (Some(node), Some(layer)) = (node, stack.layer_mut(number)) {
                layer.commits_total = node.commits.total_count;
                layer.ci = RollupState::of(&node.status_check_rollup, complete);
                let nodes = node.commits.nodes.into_iter();
                layer.commits = nodes.map(CommitNode::into_commit).collect();
            }
        }
    }

    /// The repository of a GraphQL answer, and whether nothing in it was refused. Without it, or
    /// without the field that is needed of it, there is no answer.
    async fn graph(
        &mut self,
        document: &str,
        variables: Value,
        needed: Option<&str>,
        effect: &'static str,
    ) -> Result<(Value, bool), GhError> {
        let mut answer = self.source.graph(document, variables).await?;
        let repository = answer.data.remove("repository").unwrap_or_default();
        if repository.is_null() || needed.is_some_and(|field| repository[field].is_null()) {
            return Err(answer.refusal(&self.source.id.to_string()));
        }
        let problem = answer.problems.first();
        let complete = problem.is_none();
        if let Some(problem) = problem {
            self.warnings.push(Warning::new("graphql", problem, effect));
        }
        Ok((repository, complete))
    }

    /// Judges, compares what judgement missed, and judges again until nothing is missed.
    async fn judged(
        &self,
        stack: &Stack,
        wish: &Wish,
        comparisons: &mut Comparisons,
    ) -> Vec<Verdict> {
        for _ in 0..JUDGEMENTS_MAX {
            let verdicts = judge(stack, wish, comparisons);
            let missed = comparisons.take_missed();
            if missed.is_empty() {
                return verdicts;
            }
            for some in missed.chunks(COMPARISONS_AT_ONCE) {
                let mut tasks = JoinSet::new();
                for pair in some.iter().cloned() {
                    let source = self.source.clone();
                    tasks.spawn(async move {
                        let found = compare(&source, &pair).await;
                        (pair, found.map_err(|error| error.to_string()))
                    });
                }
                for (pair, found) in tasks.join_all().await {
                    comparisons.add(pair, found);
                }
            }
        }
        judge(stack, wish, comparisons)
    }
}

/// Says that a branch has more pull requests than are looked at.
fn not_all(question: &Question, seen: usize, all: u64) -> Warning {
    let (branch, kind, effect) = match question {
        Question::From(branch) => (branch, "from", "an older one may be the layer below"),
        Question::Onto(branch) => (branch, "onto", "layers above may be missing"),
    };
    let reason = format!("the newest {seen} of {all} pull requests {kind} '{branch}' were read");
    Warning::new("stack", reason, effect)
}

/// Compares two commits. The second page has the numbers without the first page's files and
/// patches, which can be megabytes
/// (<https://docs.github.com/rest/commits/commits#compare-two-commits>).
async fn compare(source: &PullSource, (base, head): &Pair) -> Result<Comparison, GhError> {
    #[derive(Deserialize)]
    struct Compared {
        ahead_by: u64,
        behind_by: u64,
        merge_base_commit: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        sha: String,
    }
    let path: ApiPath = source
        .path()
        .then("compare")
        .then(format!("{base}...{head}"));
    let path = path.with("per_page", 1).with("page", 2);
    let found: Compared = source.get(&path).await?;
    Ok(Comparison {
        ahead: found.ahead_by,
        behind: found.behind_by,
        merge_base: found.merge_base_commit.sha,
    })
}

fn take<T: serde::de::DeserializeOwned>(value: &mut Value, field: &str) -> Result<T, GhError> {
    let found = value.get_mut(field).map(Value::take).unwrap_or_default();
    serde_json::from_value(found).map_err(|error| GhError::Malformed(format!("{field}: {error}")))
}
