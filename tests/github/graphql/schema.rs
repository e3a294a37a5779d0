//! Which types and fields there are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use graphql_parser::schema::{
    Definition, Field, InputValue, Type, TypeDefinition, TypeExtension, parse_schema,
};

/// Fields of `Issue` that hosts without issue dependencies do not know.
const DEPENDENCY_FIELDS: [&str; 3] = ["issueDependenciesSummary", "blockedBy", "blocking"];

/// A type in its place of use, such as `[String!]!`.
#[derive(Debug, Clone)]
pub(super) struct TypeRef {
    /// The type without lists and exclamation marks.
    pub(super) name: &'static str,
    /// As it is written.
    pub(super) text: String,
    pub(super) required: bool,
    pub(super) list: bool,
}

impl TypeRef {
    fn new(written: &Type<'static, &'static str>) -> Self {
        let (mut inner, mut list) = (written, false);
        let name = loop {
            match inner {
                Type::NamedType(name) => break *name,
                Type::NonNullType(next) => inner = next,
                Type::ListType(next) => (inner, list) = (next, true),
            }
        };
        let required = matches!(written, Type::NonNullType(_));
        Self {
            name,
            text: written.to_string(),
            required,
            list,
        }
    }
}

/// A field of an object.
pub(super) struct FieldType {
    pub(super) returns: TypeRef,
    pub(super) arguments: BTreeMap<&'static str, TypeRef>,
}

/// A named type.
pub(super) enum Kind {
    Scalar,
    Enum(Vec<&'static str>),
    Input(BTreeMap<&'static str, TypeRef>),
    /// An object, an interface or a union, with the names it goes by in type conditions.
    Composite(HashMap<&'static str, FieldType>),
}

/// All types of a host.
pub(super) struct Schema {
    types: HashMap<&'static str, Kind>,
    /// Pairs of a type and a name it also goes by: its interfaces and unions.
    is_a: HashSet<(&'static str, &'static str)>,
}

impl Schema {
    /// The schema of hosts with or without issue dependencies.
    pub(super) fn of(issue_dependencies: bool) -> &'static Self {
        static SCHEMAS: [OnceLock<Schema>; 2] = [OnceLock::new(), OnceLock::new()];
        SCHEMAS[usize::from(issue_dependencies)].get_or_init(|| Self::read(issue_dependencies))
    }

    fn read(issue_dependencies: bool) -> Self {
        let document = parse_schema::<&'static str>(concat!(
            include_str!("schema.graphql"),
            include_str!("merges.graphql"),
            include_str!("objects.graphql")
        ));
        let mut types: HashMap<_, _> = ["String", "Int", "Boolean", "ID", "Float"]
            .map(|name| (name, Kind::Scalar))
            .into();
        let mut is_a = HashSet::new();
        for definition in document.expect("the schema is well-formed").definitions {
            let definition = match definition {
                Definition::TypeDefinition(definition) => definition,
                Definition::TypeExtension(TypeExtension::Object(more)) => {
                    let fields = composite(&more.fields);
                    if let (Some(Kind::Composite(known)), Kind::Composite(more)) =
                        (types.get_mut(more.name), fields)
                    {
                        for (field, kind) in more {
                            let before = known.insert(field, kind);
                            assert!(before.is_none(), "{field} is defined twice");
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            let (name, kind) = match definition {
                TypeDefinition::Scalar(scalar) => (scalar.name, Kind::Scalar),
                TypeDefinition::Enum(names) => (
                    names.name,
                    Kind::Enum(names.values.iter().map(|value| value.name).collect()),
                ),
                TypeDefinition::InputObject(input) => {
                    (input.name, Kind::Input(inputs(&input.fields)))
                }
                TypeDefinition::Interface(interface) => {
                    (interface.name, composite(&interface.fields))
                }
                TypeDefinition::Union(union) => {
                    is_a.extend(union.types.iter().map(|&member| (member, union.name)));
                    (union.name, composite(&[]))
                }
                TypeDefinition::Object(object) => {
                    let interfaces = object.implements_interfaces.iter();
                    is_a.extend(interfaces.map(|&interface| (object.name, interface)));
                    (object.name, composite(&object.fields))
                }
            };
            let before = types.insert(name, kind);
            assert!(before.is_none(), "{name} is defined twice");
        }
        let mut schema = Self { types, is_a };
        if !issue_dependencies && let Some(Kind::Composite(fields)) = schema.types.get_mut("Issue")
        {
            fields.retain(|name, _| !DEPENDENCY_FIELDS.contains(name));
        }
        schema
    }

    /// A type by its name.
    pub(super) fn kind(&self, name: &str) -> Option<&Kind> {
        self.types.get(name)
    }

    /// A field of a type.
    pub(super) fn field(&self, on: &str, name: &str) -> Option<&FieldType> {
        match self.kind(on)? {
            Kind::Composite(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The name that an enumeration of types has for a type: `BaseRefDeletedEvent` is
    /// `BASE_REF_DELETED_EVENT`.
    pub(super) fn enum_name(&self, type_name: &str) -> String {
        let mut name = String::new();
        for letter in type_name.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_uppercase());
        }
        name
    }

    /// The type's own name for a name found in a document.
    pub(super) fn name(&self, name: &str) -> Option<&'static str> {
        self.types.get_key_value(name).map(|(name, _)| *name)
    }

    /// Whether an object of a type satisfies a type condition.
    pub(super) fn is_a(&self, object: &'static str, condition: &str) -> bool {
        object == condition
            || self
                .name(condition)
                .is_some_and(|name| self.is_a.contains(&(object, name)))
    }
}

fn composite(fields: &[Field<'static, &'static str>]) -> Kind {
    let field = |field: &Field<'static, &'static str>| {
        let (returns, arguments) = (TypeRef::new(&field.field_type), inputs(&field.arguments));
        (field.name, FieldType { returns, arguments })
    };
    Kind::Composite(fields.iter().map(field).collect())
}

fn inputs(values: &[InputValue<'static, &'static str>]) -> BTreeMap<&'static str, TypeRef> {
    values
        .iter()
        .map(|value| (value.name, TypeRef::new(&value.value_type)))
        .collect()
}
