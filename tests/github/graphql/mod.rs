//! The GraphQL API: a document is parsed, checked against the schema, priced,
//! and then executed on the world.

mod arguments;
mod check;
mod execute;
mod fields;
mod git;
mod mutation;
mod node;
mod objects;
mod page;
mod resolve;
mod review;
mod schema;
mod told;
mod values;

use serde::Deserialize;
use serde_json::{Value, json};

use super::json::Json;
use super::rest::{Call, Reply};
use super::world::World;
use ast::{Definition, Document, OperationDefinition, Query};
use schema::Schema;
use values::Variables;

/// The parsed document, borrowing its text from the request.
mod ast {
    use graphql_parser::query;

    pub(super) type Document<'a> = query::Document<'a, &'a str>;
    pub(super) type Definition<'a> = query::Definition<'a, &'a str>;
    pub(super) type OperationDefinition<'a> = query::OperationDefinition<'a, &'a str>;
    pub(super) type Query<'a> = query::Query<'a, &'a str>;
    pub(super) type Fragment<'a> = query::FragmentDefinition<'a, &'a str>;
    pub(super) type SelectionSet<'a> = query::SelectionSet<'a, &'a str>;
    pub(super) type Selection<'a> = query::Selection<'a, &'a str>;
    pub(super) type TypeCondition<'a> = query::TypeCondition<'a, &'a str>;
    pub(super) type Field<'a> = query::Field<'a, &'a str>;
    pub(super) type Directive<'a> = query::Directive<'a, &'a str>;
    pub(super) type Literal<'a> = query::Value<'a, &'a str>;
    pub(super) type Type<'a> = query::Type<'a, &'a str>;
    pub(super) type VariableDefinition<'a> = query::VariableDefinition<'a, &'a str>;
}

/// The answer to a query when the hour's points are used up.
pub(super) const RATE_LIMITED: &str = r#"{"errors":[{"type":"RATE_LIMITED","code":"graphql_rate_limit","message":"API rate limit already exceeded for user ID 1."}]}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: Option<String>,
    variables: Option<Variables>,
    operation_name: Option<String>,
}

/// The name of the operation that a request body asks for.
pub(super) fn operation_name(body: &str) -> Option<String> {
    let body: Body = serde_json::from_str(body).ok()?;
    body.operation_name.or_else(|| {
        let text = body.query?;
        let rest = ["query", "mutation"]
            .iter()
            .find_map(|word| text.trim_start().strip_prefix(word))?;
        let in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name: String = rest
            .trim_start()
            .chars()
            .take_while(|&letter| in_name(letter))
            .collect();
        (!name.is_empty()).then_some(name)
    })
}

/// Answers a request to `/graphql`.
pub(super) fn answer(world: &mut World, call: &Call<'_>) -> Reply {
    let mut reply = match serde_json::from_str::<Body>(call.body) {
        _ if !call.authorized => {
            Reply::message(401, "This endpoint requires you to be authenticated.")
        }
        _ if call.method != "POST" => Reply::message(404, "Not Found"),
        Err(_) => Reply::message(400, "Problems parsing JSON"),
        Ok(body) => run(world, &body),
    };
    reply.dress("graphql", &world.graphql_limit, call);
    reply
}

fn run(world: &mut World, body: &Body) -> Reply {
    match prepare(world, body) {
        Ok(prepared) => {
            let points = prepared.points;
            if !world.graphql_limit.take(points) {
                return Reply {
                    body: RATE_LIMITED.into(),
                    ..Reply::new(200)
                };
            }
            let done = if prepared.root == "Mutation" {
                mutation::apply(world, &prepared)
            } else {
                mutation::Done::new()
            };
            let body = execute::execute(world, &prepared, done);
            Reply {
                body,
                points,
                ..Reply::new(200)
            }
        }
        Err(errors) => Reply::json(200, |json| {
            json.object(|json| json.key("errors").list(errors, Json::raw));
        }),
    }
}

/// A query that may be executed.
struct Prepared<'a> {
    /// `Query` or `Mutation`.
    root: &'static str,
    query: Query<'a>,
    fragments: Vec<ast::Fragment<'a>>,
    variables: Variables,
    schema: &'static Schema,
    points: u64,
    nodes: u64,
}

fn prepare<'a>(world: &World, body: &'a Body) -> Result<Prepared<'a>, Vec<Value>> {
    let Some(text) = body.query.as_deref() else {
        return Err(vec![
            json!({"message": "A query attribute must be specified and must be a string."}),
        ]);
    };
    let document: Document<'a> = graphql_parser::parse_query(text).map_err(|error| {
        let error = error.to_string();
        vec![json!({"message": format!("Parse error: {}", error.trim()), "locations": place_of(&error)})]
    })?;
    let (root, query, fragments) = choose(document, body.operation_name.as_deref())?;
    let schema = Schema::of(world.issue_dependencies);
    let given = body.variables.clone().unwrap_or_default();
    let (variables, wrong) = values::coerce(schema, &query.variable_definitions, &given);
    let price = check::check(schema, root, &query, &fragments, &variables)?;
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (points, nodes) = (price.points(), price.nodes);
    Ok(Prepared {
        root,
        query,
        fragments,
        variables,
        schema,
        points,
        nodes,
    })
}

/// The line and column that the parser names in its message.
fn place_of(error: &str) -> Value {
    let place = error.split_once("at ").map_or("", |(_, rest)| rest);
    let place: String = place
        .chars()
        .take_while(|&c| c.is_ascii_digit() || c == ':')
        .collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or(1);
    let (line, column) = place.split_once(':').unwrap_or(("1", "1"));
    json!([{"line": number(line), "column": number(column)}])
}

/// The type an operation begins at, the operation, and all fragments.
type Chosen<'a> = (&'static str, Query<'a>, Vec<ast::Fragment<'a>>);

/// The operation to execute, and all fragments.
fn choose<'a>(document: Document<'a>, name: Option<&str>) -> Result<Chosen<'a>, Vec<Value>> {
    let refuse = |message: String| Err(vec![json!({"message": message})]);
    let (mut queries, mut fragments) = (Vec::new(), Vec::new());
    for definition in document.definitions {
        match definition {
            Definition::Fragment(fragment) => fragments.push(fragment),
            Definition::Operation(OperationDefinition::Query(query)) => {
                queries.push(("Query", query));
            }
            Definition::Operation(OperationDefinition::SelectionSet(selection_set)) => {
                let query = Query {
                    position: selection_set.span.0,
                    name: None,
                    variable_definitions: Vec::new(),
                    directives: Vec::new(),
                    selection_set,
                };
                queries.push(("Query", query));
            }
            Definition::Operation(OperationDefinition::Mutation(mutation)) => {
                let query = Query {
                    position: mutation.position,
                    name: mutation.name,
                    variable_definitions: mutation.variable_definitions,
                    directives: mutation.directives,
                    selection_set: mutation.selection_set,
                };
                queries.push(("Mutation", query));
            }
            Definition::Operation(OperationDefinition::Subscription(_)) => {
                return refuse("Schema is not configured for subscriptions".to_owned());
            }
        }
    }
    let chosen = match name {
        Some(name) => queries
            .into_iter()
            .find(|(_, query)| query.name == Some(name)),
        None if queries.len() > 1 => return refuse("An operation name is required".to_owned()),
        None => queries.pop(),
    };
    match chosen {
        Some((root, query)) => Ok((root, query, fragments)),
        None => refuse(format!("No operation named {:?}", name.unwrap_or_default())),
    }
}
