//! What added lines show that a reviewer should look at: facts, each with its line. One table of
//! words that count in code only, and a few rules that look at more than one word.

use serde::Serialize;

use super::code_lines::{CodeLine, CodeReader};
use super::focus::Focus;
use super::{api_rules, workflow_rules};
use crate::domain::text;
use crate::pulls::areas::{self, Area};
use crate::pulls::files::{ChangedFile, FileStatus, Hunk};
use crate::pulls::secrets::{Masker, mask};

/// Longest line that is quoted, in bytes.
const QUOTE_BYTES_MAX: usize = 160;

/// Something on a line that a reviewer should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FocusPoint {
    /// Line in the new file; in the old one when `removed`.
    pub line: u32,
    /// The line was taken away.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// What it is.
    pub code: &'static str,
    /// The line, secrets masked.
    pub text: String,
    /// What it is about.
    pub area: Focus,
}

/// Where a word counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Product,
    Tests,
}

/// Words in code that are worth a look.
struct Words {
    code: &'static str,
    area: Focus,
    place: Place,
    /// Languages; all when empty.
    languages: &'static [&'static str],
    words: &'static [&'static str],
}

macro_rules! words {
    ($($code:literal $area:ident $place:ident [$($language:literal)*] [$($word:expr),* $(,)?];)*) => {
        &[$(Words {
            code: $code,
            area: Focus::$area,
            place: Place::$place,
            languages: &[$($language),*],
            words: &[$($word),*],
        },)*]
    };
}

const TABLE: &[Words] = words! {
    "rust_unwrap" Errors Product ["Rust"] [".unwrap()", ".unwrap_err()"];
    "rust_expect" Errors Product ["Rust"] [".expect("];
    "rust_panic" Errors Product ["Rust"] ["panic!(", "unimplemented!(", "unreachable!(", concat!("todo", "!(")];
    "rust_unsafe" Security Anywhere ["Rust"] ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "transmute("];
    "rust_static_mut" Concurrency Anywhere ["Rust"] ["static mut"];
    "lint_silenced" Errors Product ["Rust"] ["#[allow(", "#![allow("];
    "blocking_call" Concurrency Product ["Rust"] ["block_on(", "thread::sleep("];
    "goroutine" Concurrency Product ["Go"] ["go func("];
    "panic" Errors Product ["Go"] ["panic("];
    "force_unwrap" Errors Product ["Kotlin"] ["!!"];
    "eval" Security Anywhere ["Python" "JavaScript" "TypeScript" "Ruby" "PHP" "Shell" "Perl" "Vue"] ["eval(", "eval \""];
    "exec" Security Anywhere ["Python" "PHP"] ["exec(", "shell_exec(", "passthru("];
    "shell_command" Security Anywhere ["Python" "PHP" "C" "C++" "Ruby"]
        ["shell=True", "os.system(", "os.popen(", "subprocess.getoutput(", "system("];
    "shell_command" Security Anywhere ["JavaScript" "TypeScript" "Vue"]
        ["child_process.exec(", "execSync(", "new Function("];
    "unsafe_deserialization" Security Anywhere []
        ["pickle.load", "marshal.loads(", "yaml.load(", "yaml.unsafe_load(", "unserialize(", "Marshal.load(", "ObjectInputStream("];
    "raw_html" Security Anywhere []
        ["dangerouslySetInnerHTML", ".innerHTML =", ".outerHTML =", "document.write(", "v-html", "html_safe", "mark_safe("];
    "tls_not_verified" Security Anywhere []
        ["verify=False", "InsecureSkipVerify: true", "rejectUnauthorized: false", "danger_accept_invalid_certs(true", "CERT_NONE"];
    "weak_hash" Security Product [] ["hashlib.md5(", "hashlib.sha1(", "md5.New(", "sha1.New(", "Md5::", "Sha1::", "MD5.Create("];
    "sync_io" Performance Product ["JavaScript" "TypeScript"] ["readFileSync(", "writeFileSync(", "execSync("];
    "test_focused" Tests Anywhere ["JavaScript" "TypeScript"] ["it.only(", "test.only(", "describe.only(", "fit(", "fdescribe("];
    "test_disabled" Tests Anywhere ["JavaScript" "TypeScript"]
        ["it.skip(", "test.skip(", "describe.skip(", "xit(", "xdescribe(", "xtest(", "it.todo(", "test.todo("];
    "test_disabled" Tests Anywhere ["Rust"] [concat!("#[", "ignore")];
    "test_disabled" Tests Anywhere ["Python"]
        ["@pytest.mark.skip", "pytest.skip(", "@unittest.skip", "@skip", "@pytest.mark.xfail", "self.skipTest("];
    "test_disabled" Tests Anywhere ["Go"] ["t.Skip(", "t.Skipf(", "t.SkipNow("];
    "test_disabled" Tests Anywhere ["Java" "Kotlin" "C#" "Swift" "PHP"]
        ["@Disabled", "@Ignore", "[Ignore", "Skip =", "XCTSkip", "markTestSkipped("];
    "test_disabled" Tests Tests ["Ruby" "Elixir"] ["xit ", "xdescribe ", "pending ", "skip ", "@tag :skip"];
    "sleep_in_test" Tests Tests []
        ["sleep(", "Thread.sleep(", "time.Sleep(", "setTimeout(", "Task.Delay(", "usleep(", "waitForTimeout("];
    "debug_output" Errors Anywhere ["Rust"] [concat!("dbg", "!(")];
    "debug_output" Errors Product ["JavaScript" "TypeScript" "Vue"] ["console.log(", "console.debug(", "debugger;", "debugger"];
    "debug_output" Errors Anywhere ["Python"] ["breakpoint()", "pdb.set_trace(", "ipdb.set_trace(", "pprint("];
    "debug_output" Errors Product ["Python"] ["print("];
    "debug_output" Errors Product ["Go"] ["fmt.Println(", "spew.Dump("];
    "debug_output" Errors Product ["Java" "Kotlin" "Scala"] ["System.out.print", ".printStackTrace("];
    "debug_output" Errors Anywhere ["PHP" "Ruby"] ["var_dump(", "print_r(", "binding.pry", "byebug"];
    "error_swallowed" Errors Product ["JavaScript" "TypeScript" "Java" "Kotlin" "C#" "PHP" "Vue"] ["catch {}", "catch { }", "{ /* ignore"];
    "type_check_silenced" Errors Product ["TypeScript"] ["as any", ": any"];
};

/// Words in comments.
const LEFT_BEHIND: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), "XXX", "HACK"];
const SILENCERS: [&str; 6] = [
    "@ts-ignore",
    "@ts-nocheck",
    "eslint-disable",
    "type: ignore",
    "noqa",
    "nolint",
];
/// Words that check something in a test.
const ASSERTIONS: [&str; 8] = [
    "assert",
    "expect(",
    "should.",
    ".should(",
    "require.",
    "t.Error",
    "t.Fatal",
    "XCTAssert",
];

/// A line of the new file in a hunk.
pub(super) struct NewLine<'a> {
    /// Its number.
    pub number: u32,
    /// Whether the hunk adds it.
    pub added: bool,
    /// As it is written.
    pub text: &'a str,
    /// Taken apart.
    pub parts: CodeLine,
}

/// What the added lines of a file show, in the order of the lines.
pub fn points(file: &ChangedFile) -> Vec<FocusPoint> {
    let path = &*file.filename;
    let area = Area::of(path);
    let mut points = Vec::new();
    let mut masker = Masker::of(path);
    let mut in_tests = area == Area::Tests;
    for hunk in file.hunks() {
        let lines = new_lines(path, &hunk);
        let is_rust = areas::language(path) == Some("Rust");
        if is_rust
            && hunk
                .text
                .lines()
                .next()
                .is_some_and(|header| header.ends_with("mod tests {"))
        {
            in_tests = true;
        }
        let in_test_hunk = is_rust && lines.iter().any(|line| is_test_code(&line.parts.code));
        for (place, line) in lines.iter().enumerate() {
            // By convention the tests are the last thing in a file.
            in_tests |= is_rust && line.parts.code.contains("#[cfg(test)]");
            let masked = masker.line(line.text);
            if !line.added {
                continue;
            }
            let mut add = |code, focus| points.push(point(line.number, code, focus, &masked));
            if matches!(masked, std::borrow::Cow::Owned(_)) {
                add("secret", Focus::Security);
            }
            if area.is_foreign() || area == Area::Docs {
                continue;
            }
            if areas::language(path).is_some() {
                let tests = in_tests || in_test_hunk;
                for (code, focus) in in_code(path, tests, &lines, place) {
                    add(code, focus);
                }
            }
            for (code, focus) in workflow_rules::of_line(path, area, &lines, place) {
                add(code, focus);
            }
        }
        points.extend(removed_assertions(area, &hunk));
    }
    points.extend(api_rules::of_migration(file, area));
    points.sort_by_key(|point| point.line);
    points
}

/// A point with its line quoted.
pub(super) fn point(line: u32, code: &'static str, area: Focus, quoted: &str) -> FocusPoint {
    let masked = mask(quoted.trim());
    let quoted = text::one_line(text::cut(&masked, QUOTE_BYTES_MAX).0);
    FocusPoint {
        line,
        removed: false,
        code,
        text: quoted,
        area,
    }
}

fn new_lines<'a>(path: &str, hunk: &Hunk<'a>) -> Vec<NewLine<'a>> {
    let mut reader = CodeReader::of(path);
    let mut number = hunk.new_start;
    let mut lines = Vec::new();
    for line in hunk.text.lines().skip(1) {
        let (mark, text) = line.split_at_checked(1).unwrap_or((line, ""));
        if mark == "-" || mark == "\\" {
            continue;
        }
        lines.push(NewLine {
            number,
            added: mark == "+",
            text,
            parts: reader.line(text),
        });
        number = number.saturating_add(1);
    }
    lines
}

fn is_test_code(code: &str) -> bool {
    [
        "#[test]",
        "::test]",
        "::test(",
        "assert_eq!(",
        "assert_ne!(",
        "#[should_panic",
    ]
    .iter()
    .any(|word| code.contains(word))
}

fn in_code(
    path: &str,
    tests: bool,
    lines: &[NewLine<'_>],
    place: usize,
) -> Vec<(&'static str, Focus)> {
    let language = areas::language(path).unwrap_or_default();
    let line = &lines[place];
    let counts = |words: &&Words| {
        let here = match words.place {
            Place::Anywhere => true,
            Place::Product => !tests,
            Place::Tests => tests,
        };
        let spoken = words.languages.is_empty() || words.languages.contains(&language);
        here && spoken
            && words
                .words
                .iter()
                .any(|word| has_word(&line.parts.code, word))
    };
    let mut found: Vec<(&'static str, Focus)> = Vec::new();
    for words in TABLE.iter().filter(counts) {
        let talks = words.code == "debug_output" && is_for_people(path);
        if !talks && found.iter().all(|(code, _)| *code != words.code) {
            found.push((words.code, words.area));
        }
    }
    let comment = &line.parts.comment;
    if LEFT_BEHIND.iter().any(|word| has_word(comment, word)) {
        found.push(("left_to_do", Focus::Docs));
    }
    if SILENCERS.iter().any(|word| comment.contains(word)) {
        found.push(("check_silenced", Focus::Errors));
    }
    if is_built_sql(&line.parts) {
        found.push(("sql_built_from_strings", Focus::Security));
    }
    if line
        .parts
        .with_strings
        .to_uppercase()
        .contains("SELECT * FROM")
        && !tests
    {
        found.push(("select_star", Focus::Performance));
    }
    if language == "Python" && is_swallowed(lines, place) {
        found.push(("bare_except", Focus::Errors));
    }
    found.extend(api_rules::of_line(path, language, tests, lines, place));
    found
}

/// Whether a word is in code, and not as the end of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let in_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (begins, ends) = (word.starts_with(in_name), word.ends_with(in_name));
    code.match_indices(word).any(|(at, _)| {
        let before = begins && code[..at].ends_with(in_name);
        let after = ends && code[at + word.len()..].starts_with(in_name);
        !before && !after
    })
}

/// Programs for the command line print because that is their work.
fn is_for_people(path: &str) -> bool {
    let lower = path.to_lowercase();
    [
        "scripts/",
        "bin/",
        "cli",
        "cmd/",
        "tools/",
        "examples/",
        "__main__.py",
        "manage.py",
        "setup.py",
    ]
    .iter()
    .any(|part| lower.contains(part))
}

/// Statements of SQL: how each begins, and what it has besides.
const STATEMENTS: [(&str, &str); 5] = [
    ("SELECT ", " FROM "),
    ("INSERT INTO ", ""),
    ("UPDATE ", " SET "),
    ("DELETE FROM ", ""),
    ("WHERE ", "="),
];

/// A statement of SQL in a string that takes in a value by formatting or joining.
fn is_built_sql(parts: &CodeLine) -> bool {
    let upper = parts.with_strings.to_uppercase();
    let quoted = |word: &str| {
        upper.match_indices(word).any(|(at, _)| {
            // Within a string: an odd number of quotes before it.
            let before = upper[..at].chars();
            before.filter(|letter| "\"'`".contains(*letter)).count() % 2 == 1
        })
    };
    let statement = STATEMENTS
        .iter()
        .any(|(begin, more)| quoted(begin) && upper.contains(more));
    let text = &parts.with_strings;
    let formats = ["format!(", ".format(", "Sprintf(", "String.format("]
        .iter()
        .any(|call| text.contains(call));
    let takes_in = text.contains("${")
        || (text.contains("f\"") || text.contains("f'")) && text.contains('{')
        || text.contains("$\"") && text.contains('{')
        || formats && (text.contains('{') || text.contains('%'))
        || text.contains("\" % ")
        || text.contains("\" + ")
        || text.contains("' + ")
        || text.contains("\" . $");
    statement && takes_in
}

/// `except:`, or an `except …:` that does nothing but pass.
fn is_swallowed(lines: &[NewLine<'_>], place: usize) -> bool {
    let code = lines[place].parts.code.trim();
    if code == "except:" || code.starts_with("except: ") {
        return true;
    }
    let is_all = ["except Exception:", "except BaseException:"]
        .iter()
        .any(|words| code.starts_with(words));
    let next = lines
        .get(place + 1)
        .map_or("", |line| line.parts.code.trim());
    is_all && (code.ends_with("pass") || next == "pass" || next == "...")
}

/// Checks that a hunk takes away from tests without adding as many.
fn removed_assertions(area: Area, hunk: &Hunk<'_>) -> Vec<FocusPoint> {
    let asserts = |text: &str| {
        let text = text.trim_start();
        let is_comment = text.starts_with("//") || text.starts_with('#');
        !is_comment && ASSERTIONS.iter().any(|word| text.contains(word))
    };
    let (added, removed): (Vec<_>, Vec<_>) = hunk
        .changed_lines()
        .filter(|line| asserts(line.text))
        .partition(|line| line.added);
    if area != Area::Tests || removed.len() <= added.len() {
        return Vec::new();
    }
    let gone = removed.iter().take(removed.len() - added.len());
    gone.map(|line| {
        let point = point(line.number, "assertion_removed", Focus::Tests, line.text);
        FocusPoint {
            removed: true,
            ..point
        }
    })
    .collect()
}

/// Whether the file is a new one.
pub(super) fn is_new(file: &ChangedFile) -> bool {
    matches!(file.status, FileStatus::Added | FileStatus::Copied)
}
