//! The verbs that the pull-request tools are made of: read one thing, a whole list, raw bytes; write.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::client::{Call, Effect, Gh};
use super::error::GhError;
use super::graphql::QueryError;
use crate::domain::{RepoName, limits};
use crate::process::Priority;

/// What would end or change a path segment or a query value. Also the colon: gh takes `:owner`,
/// `:repo` and `:branch` for places that it fills in.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Items of a page of a list.
const PAGE_SIZE: usize = 100;

/// A path of GitHub's REST interface. Every part is escaped, so that no name can leave its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPath {
    path: String,
    has_query: bool,
}

impl ApiPath {
    /// `repos/{owner}/{name}`.
    pub fn repo(repo: &RepoName) -> Self {
        Self {
            path: format!("repos/{repo}"),
            has_query: false,
        }
    }

    /// With one more segment; slashes in it are escaped.
    #[must_use]
    pub fn then(mut self, segment: impl Display) -> Self {
        let segment = segment.to_string();
        self.path.push('/');
        // A segment of dots would walk up.
        if segment.chars().all(|character| character == '.') {
            self.path.push_str(&segment.replace('.', "%2E"));
        } else {
            self.path.extend(utf8_percent_encode(&segment, RESERVED));
        }
        self
    }

    /// With the segments of a file's path or a ref's name, each escaped.
    #[must_use]
    pub fn then_all(self, path: &str) -> Self {
        path.split('/').fold(self, Self::then)
    }

    /// With a query parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.path.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.path.push_str(name);
        self.path.push('=');
        let value = value.to_string();
        self.path.extend(utf8_percent_encode(&value, RESERVED));
        self
    }
}

impl Display for ApiPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)
    }
}

/// Data of a GraphQL answer, and what could not be told of it.
#[derive(Debug, Default)]
pub struct GraphAnswer {
    /// Top-level fields that were answered.
    pub data: Map<String, Value>,
    /// Why others are missing, a sentence each.
    pub problems: Vec<String>,
}

impl GraphAnswer {
    /// Why `subject` is not in it.
    pub fn refusal(&self, subject: &str) -> GhError {
        let problem = self.problems.first().map(String::as_str);
        match problem.map(|problem| problem.split_once(": ").unwrap_or((problem, ""))) {
            Some(("NOT_FOUND", _)) => GhError::NotFound(subject.to_owned()),
            Some(("FORBIDDEN", told)) => GhError::Forbidden {
                message: told.to_owned(),
                help: None,
            },
            Some(_) => GhError::QueryRefused(problem.unwrap_or_default().to_owned()),
            None => GhError::Malformed(format!("no {subject} in the answer")),
        }
    }
}

impl Gh {
    /// Reads one thing. Costs no point while it is unchanged.
    pub async fn get<T: DeserializeOwned>(&self, path: &ApiPath) -> Result<T, GhError> {
        self.call(Call::get(&path.path)).await?.json()
    }

    /// Reads all pages of a list, up to `items_max` items, and tells whether there are more. The
    /// list is the whole answer, or its field `member`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &ApiPath,
        member: Option<&str>,
        items_max: usize,
    ) -> Result<(Vec<T>, bool), GhError> {
        let mut items = Vec::new();
        for page in 1..=limits::PAGES_MAX {
            let mut page_path = path.clone().with("per_page", PAGE_SIZE);
            if page > 1 {
                page_path = page_path.with("page", page);
            }
            let answer: Value = self.get(&page_path).await?;
            let list = match member {
                None => answer,
                Some(member) => answer.get(member).cloned().unwrap_or(Value::Null),
            };
            let found: Vec<T> = serde_json::from_value(list)
                .map_err(|error| GhError::Malformed(error.to_string()))?;
            let last = found.len() < PAGE_SIZE;
            items.extend(found);
            if last {
                return Ok((items, false));
            }
            if items.len() >= items_max {
                break;
            }
        }
        Ok((items, true))
    }

    /// Reads bytes that are no JSON: a file (`application/vnd.github.raw`), an archive.
    pub async fn raw(&self, path: &ApiPath, accept: &str) -> Result<Vec<u8>, GhError> {
        let call = Call {
            accept,
            conditional: false,
            ..Call::get(&path.path)
        };
        Ok(self.call(call).await?.body)
    }

    /// Reads the log of a job.
    pub async fn log(&self, path: &ApiPath) -> Result<Vec<u8>, GhError> {
        let call = Call {
            accept: "*/*",
            conditional: false,
            bytes_max: limits::GH_LOG_BYTES_MAX,
            ..Call::get(&path.path)
        };
        Ok(self.call(call).await?.body)
    }

    /// Writes. Not repeated by itself: after a lost answer it may have happened.
    pub async fn write<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &ApiPath,
        body: &Value,
    ) -> Result<T, GhError> {
        self.send(method, path, body, Effect::Changes).await
    }

    /// Adds a git object (a blob, a tree, a commit) that nothing refers to yet. A lost answer is
    /// asked for again by itself.
    pub async fn add_object<T: DeserializeOwned>(
        &self,
        path: &ApiPath,
        body: &Value,
    ) -> Result<T, GhError> {
        self.send("POST", path, body, Effect::AddsObject).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &ApiPath,
        body: &Value,
        effect: Effect,
    ) -> Result<T, GhError> {
        let call = Call {
            method,
            body: Some(body.to_string().into_bytes()),
            conditional: false,
            effect,
            ..Call::get(&path.path).priority(Priority::Claim)
        };
        self.call(call).await?.json()
    }

    /// Asks a GraphQL query.
    pub async fn graph(&self, document: &str, variables: Value) -> Result<GraphAnswer, GhError> {
        let variables = variables.as_object().cloned().unwrap_or_default();
        let answer = self.query(document, variables, Priority::Ordinary).await?;
        Ok(GraphAnswer {
            data: answer.data,
            problems: answer.errors.iter().map(QueryError::explain).collect(),
        })
    }

    /// Sends a GraphQL mutation. Not repeated by itself.
    pub async fn mutate(&self, document: &str, variables: Value) -> Result<GraphAnswer, GhError> {
        let variables = variables.as_object().cloned().unwrap_or_default();
        let answer = self.mutation(document, variables).await?;
        Ok(GraphAnswer {
            data: answer.data,
            problems: answer.errors.iter().map(QueryError::explain).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_place() {
        let repo: RepoName = "o/r".parse().unwrap();
        let path = ApiPath::repo(&repo)
            .then("contents")
            .then_all("a b/../ä?.rs")
            .with("ref", "x&y=z#/");
        assert_eq!(
            path.to_string(),
            "repos/o/r/contents/a%20b/%2E%2E/%C3%A4%3F.rs?ref=x%26y%3Dz%23%2F"
        );
        let path = ApiPath::repo(&repo).with("head", "o:branch");
        assert_eq!(path.to_string(), "repos/o/r?head=o%3Abranch");
        assert_eq!(
            ApiPath::repo(&repo).then("heads/x").to_string(),
            "repos/o/r/heads%2Fx"
        );
    }
}
