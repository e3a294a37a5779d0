//! The tools: name, words, schema, and the request each one makes. One table for MCP, HTTP and the
//! command line.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::arguments::*;
use crate::domain::{ApiError, Category, text};

/// What the world is told of a tool.
#[derive(Debug)]
pub struct ToolSpec {
    /// Name, in snake case.
    pub name: &'static str,
    /// Short title for people.
    pub title: &'static str,
    /// What it does, in the words somebody would search for.
    pub description: &'static str,
    /// Whether it only reads.
    pub read_only: bool,
    /// JSON schema of its arguments.
    pub schema: Arc<Map<String, Value>>,
}

macro_rules! define_tools {
    ($($variant:ident $name:literal $access:ident $title:literal $description:literal;)*) => {
        /// A request: one variant a tool.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = $description] $variant($variant),)*
        }

        impl Request {
            /// The tool's name.
            pub fn tool_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The tool's arguments as JSON.
            pub fn arguments(&self) -> Result<Value, ApiError> {
                let value = match self { $(Self::$variant(arguments) => serde_json::to_value(arguments),)* };
                value.map_err(|error| ApiError::internal(error.to_string()))
            }

            /// Parses a tool's arguments from JSON text.
            pub fn from_json(name: &str, json: &[u8]) -> Result<Self, ApiError> {
                // A list would be taken for the fields in their order.
                if !json.trim_ascii_start().starts_with(b"{") && tool(name).is_some() {
                    return Err(not_an_object(name));
                }
                let parsed = match name {
                    $($name => serde_json::from_slice(json).map(Self::$variant),)*
                    _ => return Err(unknown_tool(name)),
                };
                parsed.map_err(|error| match serde_json::from_slice::<Value>(json) {
                    Ok(value) => explain(name, &value, &error),
                    Err(error) => ApiError::invalid(
                        format!("the arguments are not valid JSON: {error}"),
                        "send one JSON object with the tool's arguments",
                    ),
                })
            }

            /// Parses a tool's arguments.
            pub fn from_value(name: &str, arguments: Value) -> Result<Self, ApiError> {
                if !arguments.is_object() && tool(name).is_some() {
                    return Err(not_an_object(name));
                }
                let kept = arguments.clone();
                let parsed = match name {
                    $($name => serde_json::from_value(arguments).map(Self::$variant),)*
                    _ => return Err(unknown_tool(name)),
                };
                parsed.map_err(|error| explain(name, &kept, &error))
            }
        }

        static TOOLS: LazyLock<Vec<ToolSpec>> = LazyLock::new(|| vec![
            $(ToolSpec {
                name: $name,
                title: $title,
                description: $description,
                read_only: stringify!($access).len() == "reads".len(),
                schema: Arc::new(lean_schema(inline_schema::<$variant>())),
            },)*
        ]);
    };
}

define_tools! {
    NextIssue "next_issue" writes "Take the next issue"
        "Claim the best open GitHub issue to work on and read it. Holds it exclusively for you.";
    UpdateClaimStatus "update_claim_status" writes "Report progress"
        "Move your claim: in_progress, pr_submitted (with pr_url), pr_merged, closed (closes the issue). Repeat renews.";
    ReleaseIssue "release_issue" writes "Give an issue back"
        "Give a claimed issue back, with a handoff_note for the next agent.";
    ClaimIssue "claim_issue" writes "Claim an issue"
        "Claim one GitHub issue so that no other agent works on it.";
    GetIssueDetails "get_issue_details" reads "Read an issue"
        "Read a GitHub issue: text, newest comments, linked pull requests, blockers, claim.";
    GetMyClaims "get_my_claims" reads "My claims"
        "List the issues you hold.";
    ListOpenIssues "list_open_issues" reads "List open issues"
        "List unclaimed open issues of a repository, best first.";
    ListRepos "list_repos" reads "List repositories"
        "List accessible GitHub repositories with open and claimed issues.";
    FetchIssues "fetch_issues" reads "Search issues"
        "List issues of a repository in any state, claimed too.";
    GetAllClaims "get_all_claims" reads "All claims"
        "List which agent works on which issue.";
    GetClaimHistory "get_claim_history" reads "Claim history"
        "List ended claims, newest first.";
    CreatePullRequest "create_pull_request" writes "New PR"
        "Open a PR from files or a pushed branch.";
    GetFailingTests "get_failing_tests" reads "Failing tests"
        "Which CI tests and checks of a pull request fail, and why.";
    CheckMergeReadiness "check_merge_readiness" reads "Check merge readiness"
        "Whether a pull request can be merged: every blocker, who must act, how.";
    FindUnresolvedComments "find_unresolved_comments" reads "Unresolved comments"
        "List unresolved review comments of a pull request. needs: author_reply or reviewer.";
    ResolveReviewThread "resolve_review_thread" writes "Resolve a thread"
        "Resolve a review thread by thread_id or comment_id, only after its fix is pushed and verified.";
    ManageStackedPrs "manage_stacked_prs" reads "Restack pull requests"
        "Find the stack of a PR; git commands to rebase it after merges, squashes, force-pushes.";
    DetectMergeConflicts "detect_merge_conflicts" reads "Merge conflicts"
        "Locate merge conflicts of a PR, down to the line.";
    AnalyzePrImpact "analyze_pr_impact" reads "Impact of a PR"
        "What a PR touches: areas, explained risk, dependencies, reviewers, overlapping PRs. depth: detailed for more.";
    GetReviewSuggestions "get_review_suggestions" reads "Review a PR"
        "Risky lines, questions and paged diff of a PR, to review it.";
    SystemHealth "system_health" reads "Health"
        "Whether GitHub, gh, disk and claims are well, and how to mend what is not.";
}

/// All tools, the most used first.
pub fn tools() -> &'static [ToolSpec] {
    &TOOLS
}

/// The tool of this name.
pub fn tool(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// Arguments from text pairs (a query string, flags), typed by the tool's schema. A list takes
/// its name several times or commas; a list of objects is JSON.
pub fn arguments_from_text(
    name: &str,
    pairs: Vec<(String, String)>,
) -> Result<Map<String, Value>, ApiError> {
    let tool = tool(name).ok_or_else(|| unknown_tool(name))?;
    let properties = tool.schema.get("properties").and_then(Value::as_object);
    let mut arguments = Map::new();
    for (field, text) in pairs {
        let schema = properties.and_then(|properties| properties.get(&field));
        let kind = schema
            .and_then(|schema| schema.get("type"))
            .and_then(Value::as_str);
        let wrong = |expected: &str| {
            ApiError::invalid(
                format!("'{field}' of {name} must be {expected}"),
                format!("{name} takes {}", names(tool)),
            )
        };
        let value = match kind {
            Some("integer") => {
                Value::from(text.parse::<u64>().map_err(|_| wrong("a whole number"))?)
            }
            Some("boolean") => match text.as_str() {
                "" | "true" | "1" => Value::Bool(true),
                "false" | "0" => Value::Bool(false),
                _ => return Err(wrong("true or false")),
            },
            Some("array") => {
                let known = arguments.get(&field).and_then(Value::as_array).cloned();
                let mut list = known.unwrap_or_default();
                if schema.is_some_and(lists_objects) {
                    match serde_json::from_str(&text) {
                        Ok(Value::Array(items)) => list.extend(items),
                        Ok(item @ Value::Object(_)) => list.push(item),
                        _ => return Err(wrong("a JSON list of objects")),
                    }
                } else {
                    let items = text.split(',').map(str::trim);
                    // Left out, it would make a filter that lets everything through.
                    if items.clone().any(str::is_empty) {
                        return Err(ApiError::invalid(
                            format!("'{field}' of {name} has an empty item"),
                            format!("name each item, or leave {field} out"),
                        ));
                    }
                    list.extend(items.map(Value::from));
                }
                Value::Array(list)
            }
            _ => Value::String(text),
        };
        let is_list = value.is_array();
        if arguments.insert(field.clone(), value).is_some() && !is_list {
            return Err(ApiError::invalid(
                format!("'{field}' of {name} is given more than once"),
                "give it once: only lists take several values",
            ));
        }
    }
    Ok(arguments)
}

impl Request {
    /// Fills in the agent's name where the call leaves it out. Not where it filters or where a
    /// person may act for anybody.
    pub fn default_agent(&mut self, agent_id: &str) {
        let slot = match self {
            Self::NextIssue(arguments) => &mut arguments.agent_id,
            Self::ClaimIssue(arguments) => &mut arguments.agent_id,
            Self::ReleaseIssue(arguments) => &mut arguments.agent_id,
            Self::UpdateClaimStatus(arguments) => &mut arguments.agent_id,
            Self::GetMyClaims(arguments) => &mut arguments.agent_id,
            Self::CreatePullRequest(arguments) => &mut arguments.agent_id,
            _ => return,
        };
        slot.get_or_insert_with(|| agent_id.to_owned());
    }
}

fn unknown_tool(name: &str) -> ApiError {
    let known = || TOOLS.iter().map(|tool| tool.name);
    let suggestion = match text::nearest(name, known()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the tools are {}", known().collect::<Vec<_>>().join(", ")),
    };
    let name = text::one_line(text::cut(name, 60).0);
    ApiError::new(
        Category::User,
        "unknown_tool",
        format!("no tool is called '{name}'"),
        suggestion,
    )
}

fn not_an_object(name: &str) -> ApiError {
    ApiError::invalid(
        "the arguments must be one JSON object",
        format!(
            "{name} takes {}",
            tool(name).map_or_else(String::new, names)
        ),
    )
}

/// Says which argument is wrong, in the words of the schema.
fn explain(name: &str, arguments: &Value, error: &serde_json::Error) -> ApiError {
    let Some(tool) = tool(name) else {
        return unknown_tool(name);
    };
    let Some(given) = arguments.as_object() else {
        return not_an_object(name);
    };
    let flaw = flaw_of(name, "argument", &tool.schema, given);
    flaw.unwrap_or_else(|| {
        ApiError::invalid(
            format!("{name}: {error}"),
            format!("it takes {}", names(tool)),
        )
    })
}

/// The first member of an object that is unknown, of another type or missing. `place` is the
/// tool, or `files[2]`; `kind` is what its members are called.
fn flaw_of(
    place: &str,
    kind: &str,
    schema: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Option<ApiError> {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (field, value) in given {
        let Some(schema_of_field) = properties.and_then(|properties| properties.get(field)) else {
            let known = properties
                .into_iter()
                .flat_map(|known| known.keys().map(String::as_str));
            let hint = text::nearest(field, known)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            return Some(ApiError::invalid(
                format!(
                    "{place} has no {kind} '{}'",
                    text::one_line(text::cut(field, 60).0)
                ),
                format!("{hint}it takes {}", members(schema)),
            ));
        };
        let expected = schema_of_field
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("value");
        if !has_type(value, schema_of_field) {
            let wanted = match expected {
                "integer" if value.is_number() => "a whole number from 0 to 2^64 - 1".to_owned(),
                "array" | "integer" | "object" => format!("an {expected}"),
                _ => format!("a {expected}"),
            };
            return Some(ApiError::invalid(
                format!("'{field}' of {place} must be {wanted}"),
                format!(
                    "send it as JSON {expected}; {place} takes {}",
                    members(schema)
                ),
            ));
        }
        if let Some(flaw) = flaw_of_items(place, field, schema_of_field, value) {
            return Some(flaw);
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    let missing = required.find(|field| !given.contains_key(*field))?;
    Some(ApiError::invalid(
        format!("{place} needs '{missing}'"),
        format!("it takes {}", members(schema)),
    ))
}

/// The first flaw of a list's items: one of another type, or an object with a flaw of its own.
fn flaw_of_items(place: &str, field: &str, schema: &Value, value: &Value) -> Option<ApiError> {
    let items = value.as_array()?.iter().enumerate();
    let item_schema = schema.get("items").and_then(Value::as_object);
    let (kind, has_kind): (_, fn(&Value) -> bool) = match lists_objects(schema) {
        true => ("object", Value::is_object),
        false => ("string", Value::is_string),
    };
    let mut flaws = items.filter_map(|(index, item)| {
        let name = format!("{field}[{index}]");
        if !has_kind(item) {
            let article = if kind == "object" { "an" } else { "a" };
            let wanted = item_schema
                .filter(|_| kind == "object")
                .map_or_else(String::new, |schema| format!(" with {}", members(schema)));
            return Some(ApiError::invalid(
                format!("'{name}' of {place} must be {article} {kind}"),
                format!("'{field}' is a JSON array; each of its items is {article} {kind}{wanted}"),
            ));
        }
        flaw_of(&name, "field", item_schema?, item.as_object()?)
    });
    flaws.next()
}

fn has_type(value: &Value, schema: &Value) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        _ => true,
    }
}

/// Whether a list of this schema has objects in it.
fn lists_objects(schema: &Value) -> bool {
    schema["items"]["type"] == "object"
}

fn names(tool: &ToolSpec) -> String {
    members(&tool.schema)
}

/// The members of an object, the optional ones in brackets.
fn members(schema: &Map<String, Value>) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut listed: Vec<String> = required.iter().map(|name| (*name).to_owned()).collect();
    let optional = properties
        .into_iter()
        .flat_map(|properties| properties.keys());
    let optional = optional.filter(|name| !required.contains(&name.as_str()));
    listed.extend(optional.map(|name| format!("[{name}]")));
    if listed.is_empty() {
        "no arguments".to_owned()
    } else {
        listed.join(", ")
    }
}

/// A schema that holds the schemas of its parts: a reference costs more than it saves here.
fn inline_schema<T: schemars::JsonSchema>() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}

/// A schema without what only costs context: `$schema`, titles, formats, nulls, defaults.
fn lean_schema(schema: schemars::Schema) -> Map<String, Value> {
    let mut value = schema.to_value();
    lean(&mut value);
    let mut schema = match value {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    for superfluous in ["$schema", "title", "description"] {
        schema.remove(superfluous);
    }
    schema
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    schema
}

fn lean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for superfluous in ["format", "default", "minimum", "additionalProperties"] {
                map.remove(superfluous);
            }
            // Of an object its members tell.
            if map.contains_key("properties") {
                map.remove("description");
            }
            if let Some(Value::Array(kinds)) = map.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            map.values_mut().for_each(lean);
        }
        Value::Array(list) => list.iter_mut().for_each(lean),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(name: &str, arguments: Value) -> (String, String) {
        let error = Request::from_value(name, arguments).unwrap_err();
        assert_eq!(error.category, Category::User);
        (error.message, error.suggestion)
    }

    #[test]
    fn wrong_arguments_are_named() {
        let (message, suggestion) = problem("claim_isue", json!({}));
        assert_eq!(message, "no tool is called 'claim_isue'");
        assert_eq!(suggestion, "did you mean claim_issue?");
        let (message, suggestion) = problem(
            "claim_issue",
            json!({"repo": "a/b", "issue_number": 1, "agentid": "x"}),
        );
        assert_eq!(message, "claim_issue has no argument 'agentid'");
        assert!(suggestion.starts_with("did you mean agent_id? it takes repo, issue_number"));
        let (message, _) = problem("claim_issue", json!({"repo": "a/b", "issue_number": "1"}));
        assert_eq!(message, "'issue_number' of claim_issue must be an integer");
        for number in [json!(-1), json!(1.5), json!(1e30)] {
            let (message, _) = problem(
                "claim_issue",
                json!({"repo": "a/b", "issue_number": number}),
            );
            let wanted = "'issue_number' of claim_issue must be a whole number from 0 to 2^64 - 1";
            assert_eq!(message, wanted);
        }
        let (message, _) = problem("claim_issue", json!({"repo": "a/b"}));
        assert_eq!(message, "claim_issue needs 'issue_number'");
        let (message, _) = problem("next_issue", json!([]));
        assert_eq!(message, "the arguments must be one JSON object");
        let pull = |file: Value| {
            let file = [json!({"path": "a", "content": ""}), file];
            json!({"repo": "a/b", "title": "t", "body": "", "head": "h", "files": file})
        };
        let (message, suggestion) = problem(
            "create_pull_request",
            pull(json!({"path": "b", "contents": "x"})),
        );
        assert_eq!(message, "files[1] has no field 'contents'");
        assert_eq!(
            suggestion,
            "did you mean content? it takes path, [content], [encoding], [executable], [delete]"
        );
        let (message, _) = problem("create_pull_request", pull(json!({"content": "x"})));
        assert_eq!(message, "files[1] needs 'path'");
        let (message, _) = problem("create_pull_request", pull(json!({"path": 1})));
        assert_eq!(message, "'path' of files[1] must be a string");
        let (message, suggestion) = problem("create_pull_request", pull(json!("b")));
        assert_eq!(
            message,
            "'files[1]' of create_pull_request must be an object"
        );
        assert_eq!(
            suggestion,
            "'files' is a JSON array; each of its items is an object with path, [content], \
             [encoding], [executable], [delete]"
        );
        let (message, suggestion) = problem("next_issue", json!({"labels": ["bug", 1]}));
        assert_eq!(message, "'labels[1]' of next_issue must be a string");
        assert_eq!(
            suggestion,
            "'labels' is a JSON array; each of its items is a string"
        );
        let (message, _) = problem("next_issue", json!({"labels": "bug"}));
        assert_eq!(message, "'labels' of next_issue must be an array");
    }

    #[test]
    fn requests_survive_the_way_to_the_owner() {
        let request =
            Request::from_value("next_issue", json!({"agent_id": "a", "labels": ["bug"]}));
        let request = request.unwrap();
        let arguments = request.arguments().unwrap();
        assert_eq!(arguments, json!({"agent_id": "a", "labels": ["bug"]}));
        assert_eq!(
            Request::from_value(request.tool_name(), arguments).unwrap(),
            request
        );
    }

    #[test]
    fn lists_come_from_text() {
        let read = |name: &str, field: &str, texts: &[&str]| {
            let pairs = texts
                .iter()
                .map(|text| (field.to_owned(), (*text).to_owned()));
            let arguments = arguments_from_text(name, pairs.collect());
            arguments.map(|arguments| arguments[field].clone())
        };
        let labels = read("next_issue", "labels", &["a, b", "c"]).unwrap();
        assert_eq!(labels, json!(["a", "b", "c"]));
        let (one, two) = (r#"{"path":"a,b"}"#, r#"[{"path":"c"},{"path":"d"}]"#);
        let files = read("create_pull_request", "files", &[one, two]).unwrap();
        assert_eq!(
            files,
            json!([{"path": "a,b"}, {"path": "c"}, {"path": "d"}])
        );
        for slip in ["", " ", "a,", "a,,b"] {
            let error = read("next_issue", "labels", &[slip]).unwrap_err();
            let message = "'labels' of next_issue has an empty item";
            assert_eq!(error.message, message, "'{slip}'");
        }
        let error = read("list_repos", "limit", &["1", "2"]).unwrap_err();
        assert_eq!(
            error.message,
            "'limit' of list_repos is given more than once"
        );
        let error = read("create_pull_request", "files", &["a.rs"]).unwrap_err();
        let message = "'files' of create_pull_request must be a JSON list of objects";
        assert_eq!(error.message, message);
        let error = read("get_issue_details", "issue_number", &["abc"]).unwrap_err();
        let message = "'issue_number' of get_issue_details must be a whole number";
        assert_eq!(error.message, message);
    }

    #[test]
    fn schemas_are_lean() {
        let create = tool("create_pull_request").unwrap();
        let text = serde_json::to_string(&*create.schema).unwrap();
        for fat in ["$ref", "$defs", "additionalProperties", "null"] {
            assert!(!text.contains(fat), "{fat} in {text}");
        }
        let next = tool("next_issue").unwrap();
        let text = serde_json::to_string(&*next.schema).unwrap();
        for fat in ["$schema", "null", "format", "default", "\"title\""] {
            assert!(!text.contains(fat), "{fat} in {text}");
        }
        assert!(
            tool("system_health")
                .unwrap()
                .schema
                .contains_key("properties")
        );
    }
}
