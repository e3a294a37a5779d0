//! Arguments and variables.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ast::{Literal, Type, VariableDefinition};
use super::schema::{Kind, Schema, TypeRef};

/// The variables of a request, with defaults filled in.
pub(super) type Variables = Map<String, Value>;

/// Arguments of one field, with variables filled in.
pub(super) struct Arguments<'a, 't> {
    literals: &'a [(&'t str, Literal<'t>)],
    variables: &'a Variables,
}

impl<'a, 't> Arguments<'a, 't> {
    pub(super) fn new(literals: &'a [(&'t str, Literal<'t>)], variables: &'a Variables) -> Self {
        Self {
            literals,
            variables,
        }
    }

    /// An argument; null when it is absent.
    pub(super) fn get(&self, name: &str) -> Value {
        let literal = self.literals.iter().find(|(known, _)| *known == name);
        literal.map_or(Value::Null, |(_, literal)| {
            to_value(literal, self.variables)
        })
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).as_str().map(str::to_owned)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).as_i64()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).as_bool()
    }

    /// A list of strings or enum values; a single one counts as a list of one.
    pub(super) fn names(&self, name: &str) -> Option<Vec<String>> {
        names(&self.get(name))
    }
}

/// The strings in a list, or the only one.
pub(super) fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(items) => Some(
            items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
        ),
        _ => None,
    }
}

/// A literal with variables filled in.
pub(super) fn to_value(literal: &Literal<'_>, variables: &Variables) -> Value {
    match literal {
        Literal::Variable(name) => variables.get(*name).cloned().unwrap_or(Value::Null),
        Literal::Int(number) => number.as_i64().map_or(Value::Null, Value::from),
        Literal::Float(number) => Value::from(*number),
        Literal::String(text) => Value::from(text.as_str()),
        Literal::Boolean(flag) => Value::from(*flag),
        Literal::Null => Value::Null,
        Literal::Enum(name) => Value::from(*name),
        Literal::List(items) => items.iter().map(|item| to_value(item, variables)).collect(),
        Literal::Object(members) => members
            .iter()
            .map(|(name, member)| ((*name).to_owned(), to_value(member, variables)))
            .collect(),
    }
}

/// Whether a value can stand where a type is asked for. Enum values and strings
/// look alike here, as they do among variables.
pub(super) fn fits(schema: &Schema, value: &Value, expected: &TypeRef) -> bool {
    match value {
        Value::Null => !expected.required,
        Value::Array(items) if expected.list => items
            .iter()
            .all(|item| fits_one(schema, item, expected.name)),
        value => fits_one(schema, value, expected.name),
    }
}

fn fits_one(schema: &Schema, value: &Value, name: &str) -> bool {
    match (schema.kind(name), value) {
        (None, _) => false,
        (_, Value::Null) => true,
        (Some(Kind::Enum(names)), Value::String(value)) => names.contains(&value.as_str()),
        (Some(Kind::Input(fields)), Value::Object(members)) => {
            let known = |(name, value): (&String, &Value)| {
                fields
                    .get(name.as_str())
                    .is_some_and(|field| fits(schema, value, field))
            };
            let given =
                |(name, field): (&&str, &TypeRef)| !field.required || members.contains_key(*name);
            members.iter().all(known) && fields.iter().all(given)
        }
        (Some(Kind::Scalar), value) => match name {
            "Int" => value
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            "Float" => value.is_number(),
            "Boolean" => value.is_boolean(),
            "ID" => value.is_string() || value.is_i64(),
            "DateTime" => value
                .as_str()
                .is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            _ => value.is_string(),
        },
        _ => false,
    }
}

/// Fills in defaults, and tells which values do not fit.
pub(super) fn coerce(
    schema: &Schema,
    definitions: &[VariableDefinition<'_>],
    given: &Variables,
) -> (Variables, Vec<Value>) {
    let mut variables = Variables::new();
    let mut errors = Vec::new();
    for definition in definitions {
        let expected = type_ref(schema, &definition.var_type);
        let default = definition.default_value.as_ref();
        let value = match given.get(definition.name) {
            Some(value) => Some(value.clone()),
            None => default.map(|literal| to_value(literal, &Variables::new())),
        };
        let wanted = definition.var_type.to_string();
        let place =
            json!([{"line": definition.position.line, "column": definition.position.column}]);
        let Some(expected) = expected else {
            let message = format!(
                "{wanted} isn't a defined input type (on ${})",
                definition.name
            );
            let extensions = json!({"code": "variableRequiresValidType", "typeName": wanted});
            errors.push(json!({"message": message, "locations": place, "extensions": extensions}));
            continue;
        };
        let value_or_null = value.clone().unwrap_or(Value::Null);
        if !fits(schema, &value_or_null, &expected) {
            let message = format!(
                "Variable ${} of type {wanted} was provided invalid value",
                definition.name
            );
            let why = if value_or_null.is_null() {
                "Expected value to not be null"
            } else {
                "Could not coerce value"
            };
            let problems = json!([{"path": [], "explanation": why}]);
            let extensions = json!({"value": value_or_null, "problems": problems});
            errors.push(json!({"message": message, "locations": place, "extensions": extensions}));
        }
        // A variable that is not given is not the same as one that is null, but every
        // argument of this schema takes both alike.
        variables.insert(definition.name.to_owned(), value_or_null);
    }
    (variables, errors)
}

/// A type as a document writes it; none if there is no such type.
pub(super) fn type_ref(schema: &Schema, written: &Type<'_>) -> Option<TypeRef> {
    let (mut inner, mut list) = (written, false);
    let name = loop {
        match inner {
            Type::NamedType(name) => break *name,
            Type::NonNullType(next) => inner = next,
            Type::ListType(next) => (inner, list) = (next, true),
        }
    };
    let required = matches!(written, Type::NonNullType(_));
    Some(TypeRef {
        name: schema.name(name)?,
        text: written.to_string(),
        required,
        list,
    })
}
