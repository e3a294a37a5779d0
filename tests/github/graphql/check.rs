//! Checks a query before anything of it is executed, and says what it costs.

use std::collections::{HashMap, HashSet};

use graphql_parser::Pos;
use serde_json::{Value, json};

use super::ast::{
    Directive, Field, Fragment, Literal, Query, Selection, SelectionSet, TypeCondition,
};
use super::schema::{FieldType, Kind, Schema, TypeRef};
use super::values::{Variables, fits, to_value, type_ref};

/// The most records that one connection gives at once.
const PAGE_MAX: i64 = 100;
/// The most nodes that one query may ask for.
const NODES_MAX: u64 = 500_000;

/// What a query costs, by what it asks for and not by what there is.
#[derive(Default)]
pub(super) struct Price {
    /// How often a connection is followed: once for every parent there may be.
    requests: u64,
    /// How many nodes there may be in the answer.
    pub(super) nodes: u64,
}

impl Price {
    /// The points that are charged.
    pub(super) fn points(&self) -> u64 {
        ((self.requests + 50) / 100).max(1)
    }
}

/// Checks a query against a schema.
pub(super) fn check<'t>(
    schema: &Schema,
    root: &'static str,
    query: &Query<'t>,
    fragments: &[Fragment<'t>],
    variables: &Variables,
) -> Result<Price, Vec<Value>> {
    let operation = query.name.map_or(root.to_lowercase(), |name| {
        format!("{} {name}", root.to_lowercase())
    });
    let mut checker = Checker {
        schema,
        query,
        variables,
        fragments: fragments
            .iter()
            .map(|fragment| (fragment.name, fragment))
            .collect(),
        used_variables: HashSet::new(),
        used_fragments: HashSet::new(),
        entered: Vec::new(),
        path: vec![operation.clone()],
        errors: Vec::new(),
        price: Price::default(),
    };
    checker.directives(&query.directives);
    checker.selections(&query.selection_set, root, 1);
    for fragment in fragments
        .iter()
        .filter(|f| !checker.used_fragments.contains(f.name))
        .collect::<Vec<_>>()
    {
        checker.path = vec![format!("fragment {}", fragment.name)];
        let message = format!("Fragment {} was defined, but not used", fragment.name);
        checker.error(
            fragment.position,
            &message,
            json!({"code": "useAndDefineFragment"}),
        );
    }
    checker.path = vec![operation];
    for definition in &query.variable_definitions {
        if !checker.used_variables.contains(definition.name) {
            let name = query.name.unwrap_or("anonymous query");
            let message = format!(
                "Variable ${} is declared by {name} but not used",
                definition.name
            );
            let extensions = json!({"code": "variableNotUsed", "variableName": definition.name});
            checker.error(definition.position, &message, extensions);
        }
    }
    if checker.price.nodes > NODES_MAX {
        let message = format!(
            "This query requests up to {} possible nodes which exceeds the maximum limit of {NODES_MAX}.",
            checker.price.nodes
        );
        checker
            .errors
            .push(json!({"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}));
    }
    if checker.errors.is_empty() {
        Ok(checker.price)
    } else {
        Err(checker.errors)
    }
}

/// `'t` is the text of the document, `'a` the document.
pub(super) struct Checker<'a, 't> {
    pub(super) schema: &'a Schema,
    pub(super) query: &'a Query<'t>,
    pub(super) variables: &'a Variables,
    fragments: HashMap<&'t str, &'a Fragment<'t>>,
    pub(super) used_variables: HashSet<&'t str>,
    used_fragments: HashSet<&'t str>,
    /// The fragments around the present place: entering one again would never end.
    entered: Vec<&'t str>,
    path: Vec<String>,
    errors: Vec<Value>,
    price: Price,
}

impl<'a, 't> Checker<'a, 't> {
    pub(super) fn error(&mut self, position: Pos, message: &str, extensions: Value) {
        let locations = json!([{"line": position.line, "column": position.column}]);
        let path = &self.path;
        self.errors.push(
            json!({"path": path, "extensions": extensions, "locations": locations, "message": message}),
        );
    }

    fn selections(&mut self, set: &'a SelectionSet<'t>, on: &'static str, parents: u64) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => self.field(field, on, parents),
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    if let Some(on) =
                        self.condition(inline.type_condition.as_ref(), on, inline.position)
                    {
                        self.selections(&inline.selection_set, on, parents);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    self.fragment(spread.fragment_name, spread.position, on, parents);
                }
            }
        }
    }

    fn fragment(&mut self, name: &'t str, position: Pos, on: &'static str, parents: u64) {
        let Some(fragment) = self.fragments.get(name).copied() else {
            let message = format!("Fragment {name} was used, but not defined");
            return self.error(position, &message, json!({"code": "useAndDefineFragment"}));
        };
        if self.entered.contains(&name) {
            let message = format!("Fragment {name} contains an infinite loop");
            return self.error(
                position,
                &message,
                json!({"code": "infiniteLoop", "fragmentName": name}),
            );
        }
        self.used_fragments.insert(name);
        self.entered.push(name);
        let outside = std::mem::replace(&mut self.path, vec![format!("fragment {name}")]);
        if let Some(on) = self.condition(Some(&fragment.type_condition), on, fragment.position) {
            self.selections(&fragment.selection_set, on, parents);
        }
        self.path = outside;
        self.entered.pop();
    }

    /// The type that a type condition leads to.
    fn condition(
        &mut self,
        condition: Option<&TypeCondition<'t>>,
        on: &'static str,
        position: Pos,
    ) -> Option<&'static str> {
        let Some(TypeCondition::On(name)) = condition else {
            return Some(on);
        };
        let Some(known) = self.schema.name(name) else {
            let message = format!("No such type {name}, so it can't be a fragment condition");
            self.error(
                position,
                &message,
                json!({"code": "undefinedType", "typeName": name}),
            );
            return None;
        };
        if !self.schema.is_a(known, on) && !self.schema.is_a(on, known) {
            let message = format!("Fragment on {known} can't be spread inside {on}");
            self.error(
                position,
                &message,
                json!({"code": "cannotSpreadFragment", "typeName": known}),
            );
            return None;
        }
        Some(known)
    }

    fn field(&mut self, field: &'a Field<'t>, on: &'static str, parents: u64) {
        self.path.push(field.alias.unwrap_or(field.name).to_owned());
        self.directives(&field.directives);
        if field.name != "__typename" {
            match self.schema.field(on, field.name) {
                Some(known) => self.known_field(field, known, on, parents),
                None => {
                    let name = field.name;
                    let message = format!("Field '{name}' doesn't exist on type '{on}'");
                    let extensions =
                        json!({"code": "undefinedField", "typeName": on, "fieldName": name});
                    self.error(field.position, &message, extensions);
                }
            }
        }
        self.path.pop();
    }

    fn known_field(
        &mut self,
        field: &'a Field<'t>,
        known: &'a FieldType,
        on: &'static str,
        parents: u64,
    ) {
        let name = field.name;
        for (argument, literal) in &field.arguments {
            match known.arguments.get(argument) {
                Some(expected) => self.argument(field, argument, literal, expected),
                None => {
                    let message = format!("Field '{name}' doesn't accept argument '{argument}'");
                    let code = json!({"code": "argumentNotAccepted", "name": name, "typeName": "Field", "argumentName": argument});
                    self.error(field.position, &message, code);
                }
            }
        }
        let given = |name: &str| {
            field
                .arguments
                .iter()
                .any(|(argument, _)| *argument == name)
        };
        let missing = known
            .arguments
            .iter()
            .filter(|(name, expected)| expected.required && !given(name));
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let message = format!("Field '{name}' is missing required arguments: {missing}");
            let extensions = json!({"code": "missingRequiredArguments", "className": "Field", "name": name, "arguments": missing});
            self.error(field.position, &message, extensions);
        }
        let returns = known.returns.name;
        let composite = matches!(self.schema.kind(returns), Some(Kind::Composite(_)));
        let selected = &field.selection_set;
        if composite == selected.items.is_empty() {
            let message = if composite {
                format!(
                    "Field must have selections (field '{name}' returns {returns} but has no selections. Did you mean '{name} {{ ... }}'?)"
                )
            } else {
                format!(
                    "Selections can't be made on scalars (field '{name}' returns {returns} but has selections)"
                )
            };
            let extensions = json!({"code": "selectionMismatch", "nodeName": format!("field '{name}'"), "typeName": on});
            return self.error(field.position, &message, extensions);
        }
        let children = self.price(field, returns, parents);
        self.selections(selected, returns, children);
    }

    /// Adds what a field costs, and says how many parents its children may have.
    fn price(&mut self, field: &Field<'_>, returns: &str, parents: u64) -> u64 {
        let value = |name: &str| {
            let literal = field.arguments.iter().find(|(known, _)| *known == name);
            literal.map(|(_, literal)| to_value(literal, self.variables))
        };
        if field.name == "nodes"
            && let Some(Value::Array(ids)) = value("ids")
        {
            return parents * ids.len() as u64;
        }
        if !returns.ends_with("Connection") {
            return parents;
        }
        let bound = ["first", "last"].into_iter();
        let bound = bound
            .filter_map(|name| Some((name, value(name)?.as_i64()?)))
            .next();
        self.price.requests += parents;
        let lists = |item: &Selection<'_>| matches!(item, Selection::Field(field) if ["nodes", "edges"].contains(&field.name));
        let name = field.name;
        let refusal = match bound {
            None if field.selection_set.items.iter().any(lists) => Some((
                "MISSING_PAGINATION_BOUNDARIES",
                format!(
                    "You must provide a `first` or `last` value to properly paginate the `{name}` connection."
                ),
            )),
            Some((bound, count)) if !(0..=PAGE_MAX).contains(&count) => Some((
                "EXCESSIVE_PAGINATION",
                format!(
                    "Requesting {count} records on the `{name}` connection exceeds the `{bound}` limit of {PAGE_MAX} records."
                ),
            )),
            _ => None,
        };
        if let Some((kind, message)) = refusal {
            let locations = json!([{"line": field.position.line, "column": field.position.column}]);
            let path = &self.path;
            self.errors.push(
                json!({"type": kind, "path": path, "locations": locations, "message": message}),
            );
        }
        let children =
            parents * bound.map_or(0, |(_, count)| count.clamp(0, PAGE_MAX).cast_unsigned());
        self.price.nodes += children;
        children
    }
}
