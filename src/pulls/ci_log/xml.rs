//! What JUnit XML and TRX have in common: the walk over an XML file that may be cut or broken.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// Longest text kept of one element, in bytes. Some runners put whole logs into a failure.
const TEXT_MAX: usize = 64 * 1024;
/// Longest value kept of one attribute, in bytes: one class can be part of many tests' names.
const VALUE_MAX: usize = 16 * 1024;

/// What the walk reports.
pub(super) enum Step<'a> {
    /// An element begins, at this depth (the root's is 1).
    Start(&'a Element<'a>, usize),
    /// Text of the element at this depth.
    Text(&'a str, usize),
    /// The element at this depth ends.
    End(usize),
}

/// An element's name and attributes.
pub(super) struct Element<'a> {
    tag: BytesStart<'a>,
}

impl Element<'_> {
    /// The name without its namespace.
    pub(super) fn name(&self) -> &[u8] {
        self.tag.local_name().into_inner()
    }

    /// The value of an attribute up to its bound; empty if it has none.
    pub(super) fn attribute(&self, name: &str) -> String {
        let mut attributes = self.tag.attributes();
        let attributes = attributes.with_checks(false).flatten();
        let mut values = attributes.filter(|attribute| attribute.key.as_ref() == name.as_bytes());
        let value = values.next().map_or(String::new(), |attribute| {
            // A value with an unknown entity is kept as it is.
            let plain = || String::from_utf8_lossy(&attribute.value).into_owned();
            attribute
                .unescape_value()
                .map_or_else(|_| plain(), |value| value.into_owned())
        });
        if value.len() > VALUE_MAX {
            return value.chars().take(VALUE_MAX / 4).collect();
        }
        value
    }
}

/// Walks over a file until its end or until it is no XML any more. Depth costs no stack.
pub(super) fn walk(bytes: &[u8], mut step: impl FnMut(Step<'_>)) {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                depth += 1;
                step(Step::Start(&Element { tag }, depth));
            }
            Ok(Event::Empty(tag)) => {
                step(Step::Start(&Element { tag }, depth + 1));
                step(Step::End(depth + 1));
            }
            Ok(Event::End(_)) => {
                step(Step::End(depth));
                depth = depth.saturating_sub(1);
            }
            Ok(Event::Text(text)) => {
                step(Step::Text(&String::from_utf8_lossy(&text), depth));
            }
            Ok(Event::CData(text)) => {
                step(Step::Text(&String::from_utf8_lossy(&text), depth));
            }
            Ok(Event::GeneralRef(entity)) => {
                let character = entity.resolve_char_ref().ok().flatten();
                let named = entity.decode().ok();
                let named = named.as_deref().and_then(resolve_predefined_entity);
                let mut buffer = [0; 4];
                let character = character.map(|character| &*character.encode_utf8(&mut buffer));
                step(Step::Text(character.or(named).unwrap_or("?"), depth));
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Adds text up to the bound.
pub(super) fn push(text: &mut String, more: &str) {
    if text.len() + more.len() <= TEXT_MAX {
        text.push_str(more);
    } else if text.is_empty() {
        text.extend(more.chars().take(TEXT_MAX / 4));
    }
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}
