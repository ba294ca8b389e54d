//! A JSON array of blocks, or blocks one after the other as JSON Lines have them, cut into its elements as the text comes.

/// The longest text of one block, in bytes: twice the largest of `v2`, far more than a classic one with every character of
/// its data as a `\u` escape.
const MAX_ELEMENT_BYTES: usize = 2 * jbc_chain::MAX_V2_BLOCK_BYTES;

/// Cuts text into the objects of a top-level array, or into objects with nothing but white space between them. Only braces, quotes and commas are looked
/// at; what is inside an object its reader checks.
#[derive(Debug, Default)]
pub(super) struct Elements {
    bytes: Vec<u8>,
    position: usize, // up to here `bytes` was looked at
    state: State,
    bare: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `[` or a comma.
    BeforeElement { may_close: bool },
    /// Inside an object that began at the start of `bytes`.
    Inside { depth: usize, text: Text },
    /// After an object.
    AfterElement,
    /// After all.
    End,
}

/// Where in an object's text: braces inside a string are no braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    String,
    Escape,
}

/// Text that is neither an array of objects nor objects alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotBlocks {
    #[error("expected {expected}, found `{found}`")]
    Unexpected { expected: &'static str, found: char },
    #[error("a block of more than {MAX_ELEMENT_BYTES} bytes")]
    TooLong,
    #[error("the text ends before its end: {expected} is missing")]
    Torn { expected: &'static str },
}

impl Elements {
    /// Takes more text.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Whether the text is an object, or several, and no array. Known once an element has come.
    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    /// The next object that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, NotBlocks> {
        while let Some(&byte) = self.bytes.get(self.position) {
            self.position += 1;
            let inside = matches!(self.state, State::Inside { .. });
            self.state = self.after(byte)?;
            match (inside, self.state) {
                (true, State::Inside { .. }) if self.position > MAX_ELEMENT_BYTES => {
                    return Err(NotBlocks::TooLong);
                }
                (_, State::Inside { .. }) if inside => {}
                (false, State::Inside { .. }) => {
                    self.bytes.drain(..self.position - 1);
                    self.position = 1;
                }
                (true, _) => {
                    let element = self.bytes.drain(..self.position).collect();
                    self.position = 0;
                    return Ok(Some(element));
                }
                _ => {}
            }
        }
        if !matches!(self.state, State::Inside { .. }) {
            self.bytes.clear();
            self.position = 0;
        }
        Ok(None)
    }

    /// No more text comes: was that all of it?
    pub(super) fn end(&self) -> Result<(), NotBlocks> {
        let torn = |expected| Err(NotBlocks::Torn { expected });
        match self.state {
            State::End => Ok(()),
            State::Start => torn("`[`"),
            State::Inside { .. } => torn("the rest of a block"),
            State::BeforeElement { .. } | State::AfterElement => torn("`]`"),
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, NotBlocks> {
        let object = State::Inside {
            depth: 1,
            text: Text::Outside,
        };
        let unexpected = |expected| {
            Err(NotBlocks::Unexpected {
                expected,
                found: char::from(byte),
            })
        };
        Ok(match (self.state, byte) {
            (State::Inside { depth, text }, _) => inside(depth, text, byte, self.bare),
            (state, b' ' | b'\t' | b'\r' | b'\n') => state,
            (State::Start, b'[') => State::BeforeElement { may_close: true },
            (State::Start, b'{') => {
                self.bare = true;
                object
            }
            (State::Start, _) => return unexpected("`[` or `{`"),
            (State::BeforeElement { .. }, b'{') => object,
            (State::BeforeElement { may_close: true }, b']') | (State::AfterElement, b']') => {
                State::End
            }
            (State::BeforeElement { .. }, _) => return unexpected("a block"),
            (State::AfterElement, b',') => State::BeforeElement { may_close: false },
            (State::AfterElement, _) => return unexpected("`,` or `]`"),
            (State::End, b'{') if self.bare => object,
            (State::End, _) => return unexpected("the end"),
        })
    }
}

fn inside(depth: usize, text: Text, byte: u8, bare: bool) -> State {
    let (depth, text) = match (text, byte) {
        (Text::Escape, _) => (depth, Text::String),
        (Text::String, b'\\') => (depth, Text::Escape),
        (Text::String, b'"') => (depth, Text::Outside),
        (Text::String, _) => (depth, Text::String),
        (Text::Outside, b'"') => (depth, Text::String),
        (Text::Outside, b'{') => (depth + 1, Text::Outside),
        (Text::Outside, b'}') if depth == 1 && bare => return State::End,
        (Text::Outside, b'}') if depth == 1 => return State::AfterElement,
        (Text::Outside, b'}') => (depth - 1, Text::Outside),
        (Text::Outside, _) => (depth, Text::Outside),
    };
    State::Inside { depth, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of `text`, which comes in pieces of `size` bytes.
    fn cut(text: &str, size: usize) -> Result<Vec<String>, NotBlocks> {
        let mut elements = Elements::default();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            elements.push(piece);
            while let Some(element) = elements.next()? {
                found.push(String::from_utf8(element).unwrap());
            }
        }
        elements.end().map(|()| found)
    }

    #[test]
    fn an_array_is_cut_into_its_objects_however_the_pieces_fall() {
        let text = " [ {\"a\": \"}]\\\"{\"} ,\n{\"b\": {\"c\": [1]}},{}]\n";
        let expected = vec!["{\"a\": \"}]\\\"{\"}", "{\"b\": {\"c\": [1]}}", "{}"];
        for size in 1..=text.len() {
            assert_eq!(cut(text, size).unwrap(), expected, "pieces of {size}");
        }
    }

    #[test]
    fn objects_may_follow_one_another_where_no_array_is() {
        for text in [
            "{\"a\": \"}{\"}\n{\"b\": {}}\n",
            " {\"a\": \"}{\"}{\"b\": {}}",
        ] {
            for size in 1..=text.len() {
                let found = cut(text, size).unwrap();
                assert_eq!(
                    found,
                    ["{\"a\": \"}{\"}", "{\"b\": {}}"],
                    "pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn one_object_alone_is_known_as_such() {
        let mut elements = Elements::default();
        elements.push(b"\n{\"a\": 1}\n");
        assert_eq!(elements.next().unwrap().unwrap(), b"{\"a\": 1}");
        assert_eq!(elements.next(), Ok(None));
        assert!(elements.is_bare() && elements.end().is_ok());
    }

    #[test]
    fn what_is_no_array_of_objects_is_refused() {
        for text in [
            "nothing",
            "[1]",
            "[{}{}]",
            "[{},]",
            "[{}] x",
            "{}, {}",
            "{} [{}]",
            "{} x",
            "[{}] {}",
            "[{}, , {}]",
        ] {
            assert!(
                matches!(cut(text, 3), Err(NotBlocks::Unexpected { .. })),
                "{text}: {:?}",
                cut(text, 3)
            );
        }
        for text in [
            "",
            "[",
            "[{}",
            "[{}, ",
            "[{\"a",
            "{\"a\": \"}\"",
            "{}\n{\"a",
        ] {
            assert!(
                matches!(cut(text, 2), Err(NotBlocks::Torn { .. })),
                "{text}: {:?}",
                cut(text, 2)
            );
        }
        assert_eq!(cut("[]", 1).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_object_without_an_end_costs_bounded_memory() {
        let mut elements = Elements::default();
        elements.push(b"[{\"data\": \"");
        let mut refused = false;
        for _ in 0..3_000 {
            elements.push(&[b'x'; 1_000]);
            if elements.next().is_err() {
                refused = true;
                break;
            }
        }
        assert!(refused && elements.bytes.len() <= MAX_ELEMENT_BYTES + 2_000);
    }

    #[test]
    fn what_was_cut_is_not_kept() {
        let mut elements = Elements::default();
        elements.push(b"[");
        for _ in 0..100 {
            elements.push(b"{\"a\": 1}, ");
            assert!(elements.next().unwrap().is_some());
            assert!(elements.bytes.len() < 20);
        }
    }
}
