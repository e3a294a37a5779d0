//! Executes a query that was checked, writing the answer as it goes.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::json::Json;
use super::super::world::World;
use super::Prepared;
use super::ast::{Directive, Field, Fragment, Selection, SelectionSet, TypeCondition};
use super::mutation::Done;
use super::node::{Context, Failure, Node, Outcome};
use super::resolve::resolve;
use super::values::{Arguments, Variables, to_value};

/// The body of the answer to a query.
pub(super) fn execute(world: &World, prepared: &Prepared<'_>, done: Done) -> Vec<u8> {
    let mut executor = Executor {
        context: Context::new(
            world,
            prepared.schema,
            prepared.points,
            prepared.nodes,
            done,
        ),
        fragments: prepared
            .fragments
            .iter()
            .map(|fragment| (fragment.name, fragment))
            .collect(),
        variables: &prepared.variables,
        path: Vec::new(),
        errors: Vec::new(),
        lookups: 0,
    };
    let root = match prepared.root {
        "Mutation" => Node::Mutation,
        _ => Node::Query,
    };
    let mut json = Json::default();
    json.object(|json| {
        executor.object(json.key("data"), &root, &[&prepared.query.selection_set]);
        if !executor.errors.is_empty() {
            json.key("errors").list(&executor.errors, Json::raw);
        }
    });
    json.finish()
}

/// Fields with the same name in the answer: their selections are merged.
struct Merged<'a, 't> {
    key: &'t str,
    field: &'a Field<'t>,
    sets: Vec<&'a SelectionSet<'t>>,
}

/// `'t` is the text of the document, `'a` the document, `'w` the world.
struct Executor<'a, 't, 'w> {
    context: Context<'w>,
    fragments: HashMap<&'t str, &'a Fragment<'t>>,
    variables: &'a Variables,
    path: Vec<Value>,
    errors: Vec<Value>,
    /// Top-level fields that look something up, so far.
    lookups: usize,
}

impl<'a, 't, 'w> Executor<'a, 't, 'w> {
    fn object(&mut self, json: &mut Json, node: &Node<'w>, sets: &[&'a SelectionSet<'t>]) {
        let type_name = self.context.type_of(node);
        let mut fields = Vec::new();
        for set in sets {
            self.collect(set, type_name, &mut fields);
        }
        json.object(|json| {
            for merged in &fields {
                json.key(merged.key);
                if merged.field.name == "__typename" {
                    json.plain(type_name);
                    continue;
                }
                self.path.push(Value::from(merged.key));
                self.field(json, node, merged);
                self.path.pop();
            }
        });
    }

    /// Gathers the fields that apply to an object of a type, in the order of the document.
    fn collect(
        &self,
        set: &'a SelectionSet<'t>,
        on: &'static str,
        fields: &mut Vec<Merged<'a, 't>>,
    ) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) if self.included(&field.directives) => {
                    let key = field.alias.unwrap_or(field.name);
                    match fields.iter_mut().find(|merged| merged.key == key) {
                        Some(merged) => merged.sets.push(&field.selection_set),
                        None => fields.push(Merged {
                            key,
                            field,
                            sets: vec![&field.selection_set],
                        }),
                    }
                }
                Selection::InlineFragment(inline)
                    if self.included(&inline.directives)
                        && self.applies(inline.type_condition.as_ref(), on) =>
                {
                    self.collect(&inline.selection_set, on, fields);
                }
                Selection::FragmentSpread(spread) if self.included(&spread.directives) => {
                    let fragment = self.fragments[spread.fragment_name];
                    if self.applies(Some(&fragment.type_condition), on) {
                        self.collect(&fragment.selection_set, on, fields);
                    }
                }
                _ => {}
            }
        }
    }

    fn applies(&self, condition: Option<&TypeCondition<'t>>, on: &'static str) -> bool {
        condition.is_none_or(|TypeCondition::On(name)| self.context.schema.is_a(on, name))
    }

    fn included(&self, directives: &[Directive<'t>]) -> bool {
        directives.iter().all(|directive| {
            let condition = directive.arguments.iter().find(|(name, _)| *name == "if");
            let condition = condition.map(|(_, literal)| to_value(literal, self.variables));
            condition != Some(Value::Bool(directive.name == "skip"))
        })
    }

    fn field(&mut self, json: &mut Json, node: &Node<'w>, merged: &Merged<'a, 't>) {
        let name = merged.field.name;
        if matches!(node, Node::Query) && !["viewer", "rateLimit"].contains(&name) {
            self.lookups += 1;
            if self
                .context
                .world
                .aliases_max
                .is_some_and(|most| self.lookups > most)
            {
                let message = "Resource limits for this query exceeded.".to_owned();
                return self.fail(
                    json,
                    &Failure {
                        kind: "RESOURCE_LIMITS_EXCEEDED",
                        message,
                    },
                );
            }
        }
        let arguments = Arguments::new(&merged.field.arguments, self.variables);
        match resolve(&self.context, node, name, &arguments) {
            Outcome::Null => json.null(),
            Outcome::Text(text) => json.text(&text),
            Outcome::Time(time) => json.plain(time),
            Outcome::Number(number) => json.raw(number),
            Outcome::Flag(flag) => json.raw(flag),
            Outcome::Object(child) => self.object(json, &child, &merged.sets),
            Outcome::Failed(failure) => self.fail(json, &failure),
            Outcome::List(items) => {
                json.list(items.into_iter().enumerate(), |json, (place, item)| {
                    self.path.push(Value::from(place));
                    match item {
                        Ok(child) => self.object(json, &child, &merged.sets),
                        Err(failure) => self.fail(json, &failure),
                    }
                    self.path.pop();
                })
            }
        }
    }

    fn fail(&mut self, json: &mut Json, failure: &Failure) {
        json.null();
        let (kind, path, message) = (failure.kind, &self.path, &failure.message);
        self.errors
            .push(json!({"type": kind, "path": path, "message": message}));
    }
}
