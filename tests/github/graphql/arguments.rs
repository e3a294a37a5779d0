//! Checks arguments, and the variables in them.

use graphql_parser::Pos;
use serde_json::json;

use super::ast::{Directive, Field, Literal};
use super::check::Checker;
use super::schema::{Kind, TypeRef};
use super::values::{fits, to_value, type_ref};

impl<'a, 't> Checker<'a, 't> {
    /// Checks what stands behind the at-signs.
    pub(super) fn directives(&mut self, directives: &'a [Directive<'t>]) {
        for directive in directives {
            if !["include", "skip"].contains(&directive.name) {
                let message = format!("Directive @{} is not defined", directive.name);
                let extensions =
                    json!({"code": "undefinedDirective", "directiveName": directive.name});
                self.error(directive.position, &message, extensions);
            }
            for (_, literal) in &directive.arguments {
                if let Literal::Variable(name) = literal {
                    self.variable(name, directive.position);
                }
            }
        }
    }

    /// Checks an argument of a field, or a member of one.
    pub(super) fn argument(
        &mut self,
        field: &'a Field<'t>,
        name: &str,
        literal: &'a Literal<'t>,
        expected: &TypeRef,
    ) {
        match literal {
            Literal::Variable(variable) => {
                if !self.variable(variable, field.position) {
                    return;
                }
                let definitions = self.query.variable_definitions.iter();
                let Some(definition) = definitions
                    .into_iter()
                    .find(|known| known.name == *variable)
                else {
                    return;
                };
                let Some(written) = type_ref(self.schema, &definition.var_type) else {
                    return;
                };
                // A default makes up for a type that allows null.
                let nullable =
                    expected.required && !written.required && definition.default_value.is_none();
                if written.name != expected.name || (written.list && !expected.list) || nullable {
                    let what = if nullable { "Nullability" } else { "Type" };
                    let message = format!(
                        "{what} mismatch on variable ${variable} and argument {name} ({} / {})",
                        written.text, expected.text
                    );
                    let extensions = json!({"code": "variableMismatch", "variableName": variable, "argumentName": name});
                    self.error(field.position, &message, extensions);
                }
            }
            Literal::Object(members) => {
                let Some(Kind::Input(fields)) = self.schema.kind(expected.name) else {
                    return self.misfit(field, name, literal, expected);
                };
                for (member, literal) in members {
                    match fields.get(member) {
                        Some(expected) => self.argument(field, member, literal, expected),
                        None => self.misfit(field, name, literal, expected),
                    }
                }
                let required = |(name, field): (&&str, &TypeRef)| {
                    field.required && !members.contains_key(*name)
                };
                if fields.iter().any(required) {
                    self.misfit(field, name, literal, expected);
                }
            }
            Literal::List(items) if expected.list => {
                let item = TypeRef {
                    list: false,
                    required: true,
                    ..expected.clone()
                };
                for literal in items {
                    self.argument(field, name, literal, &item);
                }
            }
            _ => {
                let quoted = matches!(literal, Literal::String(_));
                let bare = matches!(literal, Literal::Enum(_));
                let of_enum = matches!(self.schema.kind(expected.name), Some(Kind::Enum(_)));
                let value = to_value(literal, self.variables);
                if (quoted && of_enum) || (bare && !of_enum) || !fits(self.schema, &value, expected)
                {
                    self.misfit(field, name, literal, expected);
                }
            }
        }
    }

    fn misfit(&mut self, field: &Field<'_>, name: &str, literal: &Literal<'_>, expected: &TypeRef) {
        let message = format!(
            "Argument '{name}' on Field '{}' has an invalid value ({literal}). Expected type '{}'.",
            field.name, expected.text
        );
        let extensions = json!({"code": "argumentLiteralsIncompatible", "typeName": "Field", "argumentName": name});
        self.error(field.position, &message, extensions);
    }

    /// Notes the use of a variable, and says whether it is declared.
    fn variable(&mut self, name: &'t str, position: Pos) -> bool {
        self.used_variables.insert(name);
        let declared = self
            .query
            .variable_definitions
            .iter()
            .any(|definition| definition.name == name);
        if !declared {
            let operation = self.query.name.unwrap_or("anonymous query");
            let message = format!("Variable ${name} is used by {operation} but not declared");
            self.error(
                position,
                &message,
                json!({"code": "variableNotDefined", "variableName": name}),
            );
        }
        declared
    }
}
