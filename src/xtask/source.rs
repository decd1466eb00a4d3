//! Rust source taken apart into code and comments, so that a word in a string is not taken for code.

/// The same lines twice: once with the code alone, once with the comments alone. String and character literals are in
/// neither. Lines keep their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) code: String,
    pub(crate) comments: String,
}

/// What the reader stands in.
#[derive(Clone, Copy)]
enum Place {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(usize),
    Text,
    /// Ends with a quote and this many `#`.
    RawText(usize),
}

/// Where the characters that were just read belong.
enum Goes {
    Code,
    Comments,
    Nowhere,
}

impl Parts {
    /// Takes a source file apart.
    pub(crate) fn of(source: &str) -> Self {
        let mut parts = Self::default();
        let mut place = Place::Code;
        let mut rest = source;
        while let Some(next) = rest.chars().next() {
            let one = next.len_utf8();
            let (taken, goes, then) = match place {
                Place::Code if rest.starts_with("//") => (2, Goes::Nowhere, Place::LineComment),
                Place::Code if rest.starts_with("/*") => (2, Goes::Nowhere, Place::BlockComment(1)),
                Place::Code => match (raw_text(rest, &parts.code), character(rest)) {
                    (Some((opening, hashes)), _) => (opening, Goes::Nowhere, Place::RawText(hashes)),
                    (None, Some(length)) => (length, Goes::Nowhere, Place::Code),
                    (None, None) if next == '"' => (one, Goes::Nowhere, Place::Text),
                    (None, None) => (one, Goes::Code, Place::Code),
                },
                Place::LineComment if next == '\n' => (one, Goes::Code, Place::Code),
                Place::LineComment => (one, Goes::Comments, place),
                Place::BlockComment(depth) if rest.starts_with("/*") => {
                    (2, Goes::Nowhere, Place::BlockComment(depth + 1))
                }
                Place::BlockComment(1) if rest.starts_with("*/") => (2, Goes::Nowhere, Place::Code),
                Place::BlockComment(depth) if rest.starts_with("*/") => {
                    (2, Goes::Nowhere, Place::BlockComment(depth - 1))
                }
                Place::BlockComment(_) => (one, Goes::Comments, place),
                Place::Text if next == '\\' => {
                    (one + rest[one..].chars().next().map_or(0, char::len_utf8), Goes::Nowhere, place)
                }
                Place::Text if next == '"' => (one, Goes::Nowhere, Place::Code),
                Place::RawText(hashes)
                    if next == '"' && rest[1..].bytes().take_while(|&byte| byte == b'#').count() >= hashes =>
                {
                    (1 + hashes, Goes::Nowhere, Place::Code)
                }
                Place::Text | Place::RawText(_) => (one, Goes::Nowhere, place),
            };
            let (read, unread) = rest.split_at(taken);
            for character in read.chars() {
                if character == '\n' || matches!(goes, Goes::Code) {
                    parts.code.push(character);
                }
                if character == '\n' || matches!(goes, Goes::Comments) {
                    parts.comments.push(character);
                }
            }
            if matches!(goes, Goes::Nowhere) {
                // What a literal or comment stood between stays apart.
                parts.code.push(' ');
            }
            (rest, place) = (unread, then);
        }
        parts
    }
}

/// The length of a raw string's opening and its number of `#`, if one begins here: `r"`, `r#"`, `br"`, `cr#"`.
fn raw_text(rest: &str, before: &str) -> Option<(usize, usize)> {
    if before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        return None;
    }
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let after = &rest[prefix.len()..];
    let hashes = after.bytes().take_while(|&byte| byte == b'#').count();
    after[hashes..].starts_with('"').then_some((prefix.len() + hashes + 1, hashes))
}

/// The length of the character literal that begins here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let least = if first == '\\' { 1 + inside[1..].chars().next()?.len_utf8() } else { first.len_utf8() };
    if first == '\\' {
        // '\u{1F4A9}' and '\x7f' go on to the next quote.
        return Some(1 + least + inside[least..].find('\'')? + 1);
    }
    inside[least..].starts_with('\'').then_some(1 + least + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, code: &str, comments: &str) {
        let parts = Parts::of(source);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((words(&parts.code), words(&parts.comments)), (code.to_owned(), comments.to_owned()));
        let lines = |text: &str| text.matches('\n').count();
        assert_eq!([lines(&parts.code), lines(&parts.comments)], [lines(source); 2], "lines keep their numbers");
    }

    #[test]
    fn comments_are_told_from_code() {
        check("a // b\nc", "a c", "b");
        check("/// a `b`\n//! c\nd", "d", "/ a `b` ! c");
        check("a /* b /* c\n */ d */ e", "a e", "b c d");
        check("a / b", "a / b", "");
    }

    #[test]
    fn strings_are_in_neither() {
        check(r#"a "b // c" d"#, "a d", "");
        check(r#"a "b \" c" d"#, "a d", "");
        check("a \"b \\\n c\" d", "a d", "");
        check(r###"a r#"b " // c"# d br"e" f"###, "a d f", "");
        check(r##"a cr"\" b"##, "a b", "");
        check(r#"a b"c" d"#, "a b d", "");
    }

    #[test]
    fn names_that_end_like_a_prefix_are_names() {
        check(r#"for"a" r#type b"#, "for r#type b", "");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        check(r#"'"' a '\'' b '\\' c '\u{41}' d 'é' e"#, "a b c d e", "");
        check("fn a<'b>(c: &'b str, d: &'static str)", "fn a<'b>(c: &'b str, d: &'static str)", "");
        check("'a: loop { break 'a }", "'a: loop { break 'a }", "");
    }
}
