//! Files and commits by the expression that names them.

use serde_json::Value;

use super::super::repository::Repository;
use super::node::{Node, Outcome};
use super::resolve::list;
use super::values::Arguments;

/// A field of a repository, if it is one of these.
pub(super) fn of_repository<'w>(
    home: &'w Repository,
    field: &str,
    arguments: &Arguments<'_, '_>,
) -> Option<Outcome<'w>> {
    match field {
        "object" => {
            // By its object id, where a real repository has it; else by its expression.
            let expression = arguments.text("expression")?;
            let found = home.merges.objects.get(&expression);
            let node = found.map(|object| {
                let is_blob = object["__typename"] == "Blob";
                Node::Told(if is_blob { "Blob" } else { "Commit" }, object)
            });
            Some(Outcome::object_or_null(node))
        }
        "pullRequestTemplates" => {
            let templates = home.merges.templates.iter();
            let nodes = templates.map(|template| Ok(Node::Told("PullRequestTemplate", template)));
            Some(Outcome::List(nodes.collect()))
        }
        _ => None,
    }
}

/// The commits that changed a path.
pub(super) fn history<'w>(commit: &'w Value, arguments: &Arguments<'_, '_>) -> Outcome<'w> {
    let path = arguments.text("path").unwrap_or_default();
    let commits = commit["histories"][&path].as_array();
    let commits = commits.into_iter().flatten();
    list(
        "Commit",
        commits.map(|commit| Node::Told("Commit", commit)),
        arguments,
    )
}
