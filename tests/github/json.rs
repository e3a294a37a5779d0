//! Writes JSON straight into the answer: pages of a hundred issues are the bulk
//! of what is served, and building a tree of values for them would cost more
//! than all the rest.

use std::fmt::Display;
use std::io::Write;

/// JSON in the making. Commas come by themselves.
#[derive(Default)]
pub(super) struct Json(Vec<u8>);

impl Json {
    /// The finished bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Starts an item of a list.
    pub(super) fn item(&mut self) -> &mut Self {
        if !matches!(self.0.last(), None | Some(b'[' | b'{')) {
            self.0.push(b',');
        }
        self
    }

    /// Starts a member of an object.
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.item().text(name);
        self.0.push(b':');
        self
    }

    /// An object, filled by the function.
    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
    }

    /// A list with one value per item.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.0.push(b'[');
        for item in items {
            each(self.item(), item);
        }
        self.0.push(b']');
    }

    /// A string.
    pub(super) fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.0, text).expect("a string can be written to memory");
    }

    /// A string that needs no escapes, such as a time or an address.
    pub(super) fn plain(&mut self, value: impl Display) {
        write!(self.0, "\"{value}\"").expect("writing to memory succeeds");
    }

    /// A string that needs no escapes, or null.
    pub(super) fn plain_or_null(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(value),
            None => self.null(),
        }
    }

    /// A number or a truth value: whatever is JSON as it is displayed.
    pub(super) fn raw(&mut self, value: impl Display) {
        write!(self.0, "{value}").expect("writing to memory succeeds");
    }

    /// Null.
    pub(super) fn null(&mut self) {
        self.0.extend_from_slice(b"null");
    }
}
