//! Git data that is written, and references, of a repository with a store.

use base64::Engine as _;
use serde_json::{Value, json};

use super::super::repository::Repository;
use super::super::store::Store;
use super::{Reply, decode};

/// Modes that an entry of a tree may have.
const MODES: [&str; 5] = ["100644", "100755", "040000", "160000", "120000"];

/// Answers a request about git data; none when it is about something else.
pub(super) fn route(
    repository: &Repository,
    store: &Store,
    method: &str,
    rest: &[&str],
    body: &Value,
) -> Option<Reply> {
    let rest: Vec<String> = rest.iter().map(|segment| decode(segment)).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let writes = method != "GET";
    if writes && rest.first() == Some(&"git") && !repository.may_push {
        return Some(Reply::message(404, "Not Found"));
    }
    Some(match (method, rest.as_slice()) {
        ("GET", ["git", "ref", "heads", name @ ..]) => reference(store, &name.join("/"), 200),
        ("POST", ["git", "blobs"]) => blob(store, body),
        ("POST", ["git", "trees"]) => tree(store, body),
        ("POST", ["git", "commits"]) => commit(store, body),
        ("POST", ["git", "refs"]) => create_reference(store, body),
        ("PATCH", ["git", "refs", "heads", name @ ..]) => {
            update_reference(store, &name.join("/"), body)
        }
        _ => return None,
    })
}

fn refused(message: &str) -> Reply {
    Reply::message(422, message)
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply::json(status, |json| json.raw(body))
}

fn text<'b>(body: &'b Value, name: &str) -> &'b str {
    body[name].as_str().unwrap_or_default()
}

fn reference(store: &Store, name: &str, status: u16) -> Reply {
    match store.tip(name) {
        Some(tip) => reply(
            status,
            &json!({"ref": format!("refs/heads/{name}"), "object": {"type": "commit", "sha": tip}}),
        ),
        None => Reply::message(404, "Not Found"),
    }
}

fn blob(store: &Store, body: &Value) -> Reply {
    let Some(content) = body["content"].as_str() else {
        return refused("Invalid request.\n\n\"content\" wasn't supplied.");
    };
    let bytes = match body["encoding"].as_str().unwrap_or("utf-8") {
        "utf-8" => content.as_bytes().to_vec(),
        "base64" => match base64::engine::general_purpose::STANDARD.decode(content) {
            Ok(bytes) => bytes,
            Err(_) => return refused("content is not valid Base64"),
        },
        _ => return refused("Invalid encoding"),
    };
    reply(201, &json!({"sha": store.blob(&bytes)}))
}

fn tree(store: &Store, body: &Value) -> Reply {
    let base = body["base_tree"].as_str();
    if base.is_some_and(|base| store.kind(base).as_deref() != Some("tree")) {
        return refused("base_tree is not a valid tree oid");
    }
    let mut lines = String::new();
    for entry in body["tree"].as_array().into_iter().flatten() {
        let (path, mode) = (text(entry, "path"), text(entry, "mode"));
        if path.is_empty() || path.starts_with('/') || !MODES.contains(&mode) {
            return refused("tree.path or tree.mode is malformed");
        }
        let oid = match (entry.get("sha"), entry["content"].as_str()) {
            (Some(Value::String(sha)), None) if store.kind(sha).as_deref() == Some("blob") => {
                sha.clone()
            }
            (Some(Value::String(sha)), None) => {
                return refused(&format!("tree.sha {sha} is not a valid blob"));
            }
            (Some(Value::Null), None) => {
                if base.is_none_or(|base| store.entry(base, path).is_none()) {
                    return refused("GitRPC::BadObjectState");
                }
                lines.push_str(&Store::removal(path));
                continue;
            }
            (None, Some(content)) => store.blob(content.as_bytes()),
            _ => return refused("Must supply either tree.sha or tree.content."),
        };
        lines.push_str(&format!("{mode} {oid}\t{path}\0"));
    }
    match store.index(base, &lines) {
        Ok(oid) => reply(201, &json!({"sha": oid})),
        Err(told) => refused(&told),
    }
}

fn commit(store: &Store, body: &Value) -> Reply {
    let (message, tree) = (text(body, "message"), text(body, "tree"));
    let parents = body["parents"].as_array().into_iter().flatten();
    let parents: Vec<&str> = parents.filter_map(Value::as_str).collect();
    let is_commit = |oid: &&str| store.kind(oid).as_deref() == Some("commit");
    if store.kind(tree).as_deref() != Some("tree") {
        return refused("Tree SHA does not exist");
    }
    if message.is_empty() || !parents.iter().all(is_commit) {
        return refused("Parent SHA does not exist or is not a commit object");
    }
    match store.commit(message, tree, &parents) {
        Ok(oid) => reply(201, &store.git.commits(&[&oid]).remove(0)),
        Err(told) => refused(&told),
    }
}

fn create_reference(store: &Store, body: &Value) -> Reply {
    let Some(name) = text(body, "ref").strip_prefix("refs/heads/") else {
        return refused("Reference name must start with 'refs/'.");
    };
    let sha = text(body, "sha");
    if store.kind(sha).as_deref() != Some("commit") {
        return refused("Object does not exist");
    }
    if store.tip(name).is_some() {
        return refused("Reference already exists");
    }
    match store.create_branch(name, sha) {
        Ok(()) => reference(store, name, 201),
        Err(told) => refused(&told),
    }
}

fn update_reference(store: &Store, name: &str, body: &Value) -> Reply {
    if store.tip(name).is_none() {
        return refused("Reference does not exist");
    }
    // Nothing that is tested may ask for this.
    if body["force"] == true {
        return refused("force-pushes are not allowed here");
    }
    match store.forward(name, text(body, "sha")) {
        Ok(true) => reference(store, name, 200),
        Ok(false) => refused("Update is not a fast forward"),
        Err(told) => refused(&told),
    }
}

/// Why GitHub would not open a pull request, if so.
pub(super) fn pull_refusal(store: &Store, head: &str, base: &str) -> Option<Reply> {
    let invalid =
        |field: &str| json!({"resource": "PullRequest", "field": field, "code": "invalid"});
    let error = match (store.tip(head), store.tip(base)) {
        (None, _) => invalid("head"),
        (_, None) => invalid("base"),
        (Some(tip), Some(target)) if store.between(&target, &tip).is_empty() => {
            custom(&format!("No commits between {base} and {head}"))
        }
        _ => return None,
    };
    Some(validation_failed(&error))
}

/// An error with words.
pub(super) fn custom(message: &str) -> Value {
    json!({"resource": "PullRequest", "code": "custom", "message": message})
}

/// 422 with what is wrong.
pub(super) fn validation_failed(error: &Value) -> Reply {
    let link = "https://docs.github.com/rest/pulls/pulls#create-a-pull-request";
    reply(
        422,
        &json!({"message": "Validation Failed", "errors": [error], "documentation_url": link,
            "status": "422"}),
    )
}
