//! `/openapi.json`: the routes and tools, described from the tables that they are served from.

use serde_json::{Map, Value, json};

use super::router::{ROUTES, Route, RouteId};
use crate::service::{tool, tools};

/// What a reader of events may say: name, place and type.
const EVENT_PARAMETERS: [(&str, &str, &str); 4] = [
    ("since", "query", "integer"),
    ("repo", "query", "string"),
    ("agent_id", "query", "string"),
    ("Last-Event-ID", "header", "integer"),
];

/// The description, OpenAPI 3.1.
pub(super) fn describe() -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| !route.about.is_empty()) {
        if route.id == RouteId::Tool {
            for spec in tools() {
                let operation = operation(route, spec.name, Some(spec.name), spec.description);
                let path = format!("/api/tools/{}", spec.name);
                paths.insert(path, json!({ "post": operation }));
            }
            let generic = operation(route, "any_tool", None, route.about);
            paths.insert(route.path.to_owned(), json!({ "post": generic }));
            continue;
        }
        let name = format!(
            "{}_{}",
            route.method.to_lowercase(),
            route.path.trim_matches('/')
        );
        let name = name.replace(['/', '.', '{', '}'], "_");
        let item = paths
            .entry(route.path)
            .or_insert_with(|| Value::Object(Map::new()));
        let described = operation(route, &name, route.tool, route.about);
        item[route.method.to_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "IssueCommand",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Hands out GitHub issues to agents so that no two work on one.",
            "license": { "name": "MIT", "identifier": "MIT" }
        },
        "servers": [{ "url": "http://127.0.0.1:3100" }],
        "security": [{}, { "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Error": error_schema() }
        }
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error", "category", "code", "suggestion"],
        "properties": {
            "error": { "type": "string" },
            "category": { "enum": ["user", "api", "logical"] },
            "code": { "type": "string" },
            "suggestion": { "type": "string" },
            "retry_after": { "type": "integer" }
        }
    })
}

fn operation(route: &Route, name: &str, tool_name: Option<&str>, about: &str) -> Value {
    let in_path: Vec<&str> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .filter(|parameter| {
            !(route.id == RouteId::Tool && tool_name.is_some() && *parameter == "name")
        })
        .collect();
    let mut parameters: Vec<Value> = in_path
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let schema = tool_name
        .and_then(tool)
        .map(|spec| Value::Object((*spec.schema).clone()));
    let mut operation = json!({
        "operationId": name,
        "summary": about,
        "responses": {
            "200": { "description": "Done", "content": { content_type(route): {} } },
            "default": {
                "description": "An error with its next step",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } }
            }
        }
    });
    match (route.method, schema) {
        ("GET", Some(schema)) => {
            let fields = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            // What the path carries is no query parameter.
            let from_path = |field: &str| {
                in_path.contains(&field)
                    || field == "repo" && in_path.contains(&"owner")
                    || field == "issue_number" && in_path.contains(&"number")
            };
            let queries = fields.into_iter().filter(|(field, _)| !from_path(field));
            parameters.extend(queries.map(|(field, schema)| {
                json!({ "name": field, "in": "query", "required": false, "schema": schema })
            }));
        }
        ("POST" | "PATCH" | "DELETE", Some(mut schema)) => {
            if in_path.contains(&"claim_id") {
                if let Some(fields) = schema["properties"].as_object_mut() {
                    fields.remove("claim_id");
                }
                if let Some(required) = schema["required"].as_array_mut() {
                    required.retain(|field| field != "claim_id");
                }
            }
            operation["requestBody"] =
                json!({ "content": { "application/json": { "schema": schema } } });
        }
        _ => {}
    }
    if route.id == RouteId::Events {
        let parameter = |(name, place, kind): (&str, &str, &str)| json!({ "name": name, "in": place, "required": false, "schema": { "type": kind } });
        parameters.extend(EVENT_PARAMETERS.map(parameter));
    }
    if matches!(route.id, RouteId::Claim | RouteId::ClaimNext) {
        operation["responses"]["201"] =
            json!({ "description": "Claimed", "content": { "application/json": {} } });
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    operation
}

fn content_type(route: &Route) -> &'static str {
    match route.id {
        RouteId::Events => "text/event-stream",
        RouteId::Metrics => "text/plain",
        _ => "application/json",
    }
}
