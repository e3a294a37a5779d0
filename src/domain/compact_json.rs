//! JSON for what each claim writes anew: its record and its line in the journal.
//!
//! The general serializer looks at every byte of every name and value for something to escape, one
//! after the other. Names of fields never need it, and values can be looked at many bytes at once;
//! what does need it is left to the general one. The text is the same.

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeStructVariant,
    Serializer,
};
use serde_json::Error;

/// Appends `value` as compact JSON, as `serde_json` would write it. For records: structs and enums
/// with named fields or one value, lists, text, whole numbers, truth values and options. Fails on
/// anything else; what was written until then stays.
pub fn write_compact_json(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
    value.serialize(Writer(text))
}

/// By such names of structs `serde_json` passes raw JSON to itself.
const GENERAL_SERIALIZERS_OWN: &str = "$serde_json::";

struct Writer<'a>(&'a mut Vec<u8>);

/// A list or an object that was begun.
struct Parts<'a> {
    text: &'a mut Vec<u8>,
    is_empty: bool,
    end: &'static [u8],
}

fn unsupported() -> Error {
    Error::custom("not a part of records")
}

/// Without what escaping costs: such text is the rule.
fn write_plain(text: &mut Vec<u8>, plain: &str) {
    text.reserve(plain.len() + 2);
    text.push(b'"');
    text.extend_from_slice(plain.as_bytes());
    text.push(b'"');
}

impl<'a> Writer<'a> {
    fn begin(self, start: &[u8], end: &'static [u8]) -> Parts<'a> {
        self.0.extend_from_slice(start);
        Parts {
            text: self.0,
            is_empty: true,
            end,
        }
    }
}

impl Parts<'_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(b',');
        }
    }

    fn field(
        &mut self,
        name: &'static str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Error> {
        self.separate();
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        value.serialize(Writer(self.text))
    }

    fn finish(self) {
        self.text.extend_from_slice(self.end);
    }
}

impl SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        value.serialize(Writer(self.text))
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

macro_rules! named_fields {
    ($($kind:ident),*) => {$(
        impl $kind for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}
named_fields!(SerializeStruct, SerializeStructVariant);

macro_rules! whole_numbers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            let mut digits = itoa::Buffer::new();
            self.0.extend_from_slice(digits.format(value).as_bytes());
            Ok(())
        }
    )*};
}

macro_rules! no_part_of_records {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result, Error> {
            Err(unsupported())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;

    whole_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    no_part_of_records! {
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.0.extend_from_slice(word);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        // All of them, whatever is found: the compiler then looks at many at once.
        let bytes = value.bytes();
        if bytes.fold(false, |found, byte| found | is_special(byte)) {
            return serde_json::to_writer(self.0, value);
        }
        write_plain(self.0, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        write_plain(self.0, variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = self.begin(b"{", b"}");
        object.field(variant, value)?;
        object.finish();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        Ok(self.begin(b"[", b"]"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        if name.starts_with(GENERAL_SERIALIZERS_OWN) {
            return Err(unsupported());
        }
        Ok(self.begin(b"{", b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Error> {
        self.0.push(b'{');
        write_plain(self.0, variant);
        Ok(self.begin(b":{", b"}}"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Holding(u8),
        Named { a: i64, b: Option<String> },
    }

    #[derive(Serialize)]
    struct Record<'a> {
        text: &'a str,
        number: u64,
        yes: bool,
        nothing: Option<()>,
        kinds: Vec<Kind>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        inner: Vec<Record<'a>>,
    }

    fn record<'a>(text: &'a str, inner: Vec<Record<'a>>) -> Record<'a> {
        Record {
            text,
            number: u64::MAX,
            yes: text.is_empty(),
            nothing: None,
            kinds: vec![
                Kind::Plain,
                Kind::Holding(7),
                Kind::Named {
                    a: i64::MIN,
                    b: Some(text.to_owned()),
                },
                Kind::Named { a: 0, b: None },
            ],
            inner,
        }
    }

    #[test]
    fn the_text_is_that_of_the_general_serializer() {
        let every_byte: String = (0..=0x17f).filter_map(char::from_u32).collect();
        for text in [
            "",
            "a plain title",
            "a \"quoted\" one",
            "\\",
            "\n",
            "ü 𝄞",
            &every_byte,
        ] {
            let value = record(
                text,
                vec![record(text, Vec::new()), record("b", Vec::new())],
            );
            let mut ours = b"before".to_vec();
            write_compact_json(&mut ours, &value).unwrap();
            let expected = format!("before{}", serde_json::to_string(&value).unwrap());
            assert_eq!(String::from_utf8(ours).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(write_compact_json(&mut Vec::new(), &1.5).is_err());
        assert!(write_compact_json(&mut Vec::new(), &(1, 2)).is_err());
        let map = std::collections::BTreeMap::from([("a", 1)]);
        assert!(write_compact_json(&mut Vec::new(), &map).is_err());
        let raw = serde_json::value::to_raw_value(&1).unwrap();
        assert!(write_compact_json(&mut Vec::new(), &raw).is_err());
    }
}
