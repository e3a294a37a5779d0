//! Text that looks like a secret, and the same text without it. What is masked here must reach no
//! answer: a secret in a diff is read by whoever reads the answer, and by the model behind it.

use std::borrow::Cow;
use std::ops::Range;

/// Beginnings of tokens that their issuers gave a recognizable form, and how many letters follow
/// at least. Sources: the issuers' documentation, and
/// <https://docs.github.com/code-security/secret-scanning/introduction/supported-secret-scanning-patterns>.
const TOKENS: [(&str, usize); 36] = [
    ("github_pat_", 22),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("glpat-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("sk_test_", 16),
    ("sk-", 32),
    ("whsec_", 24),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("xapp-", 10),
    ("npm_", 30),
    ("pypi-AgEI", 20),
    ("SG.", 40),
    ("hf_", 30),
    ("dop_v1_", 40),
    ("dckr_pat_", 20),
    ("shpat_", 30),
    ("hvs.", 20),
    ("ya29.", 20),
    ("lin_api_", 30),
    ("AGE-SECRET-KEY-1", 40),
    ("tskey-", 20),
    ("eyJ", 60),
];
/// Names of what is secret, in lower case and without separators.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "encryptionkey",
    "signingkey",
    "credentials",
];
/// Words that mark a value as made up or looked up.
const PLACEHOLDERS: [&str; 17] = [
    "example",
    "changeme",
    "change_me",
    "change-me",
    "your",
    "xxx",
    "***",
    "<",
    "{",
    "$",
    "%(",
    "placeholder",
    "dummy",
    "fake",
    "redacted",
    "masked",
    "test",
];
/// Shortest value of a secret name that counts, in bytes, and the length from which on it needs no
/// digit.
const VALUE_BYTES_MIN: usize = 8;
const VALUE_BYTES_LONG: usize = 20;
/// A line of the body of a key file has at least these many letters.
const KEY_LINE_BYTES_MIN: usize = 40;
/// What stands for the rest of a secret.
const MASK: &str = "[masked]";

/// Masks the lines of one text in their order: a key goes over several lines.
#[derive(Debug, Default)]
pub struct Masker {
    in_key: bool,
    /// Every long line of letters is part of a key.
    is_key_file: bool,
}

impl Masker {
    /// For the lines of a file at this path.
    pub fn of(path: &str) -> Self {
        let lower = path.to_lowercase();
        let is_key_file = [".pem", ".key", ".p8", "id_rsa", "id_ed25519"];
        Self {
            in_key: false,
            is_key_file: is_key_file.iter().any(|end| lower.ends_with(end)),
        }
    }

    /// The line without secrets: borrowed when there is none.
    pub fn line<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        if self.in_key {
            self.in_key = !line.contains("-----END");
            return Cow::Borrowed(MASK);
        }
        if let Some(start) = line
            .find("-----BEGIN")
            .filter(|_| line.contains("PRIVATE KEY"))
        {
            self.in_key = !line[start..].contains("-----END");
            return Cow::Owned(format!(
                "{}-----BEGIN PRIVATE KEY-----{MASK}",
                &line[..start]
            ));
        }
        let is_letters = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
        if self.is_key_file && line.len() >= KEY_LINE_BYTES_MIN && line.chars().all(is_letters) {
            return Cow::Borrowed(MASK);
        }
        let found = found(line);
        if found.is_empty() {
            return Cow::Borrowed(line);
        }
        let mut masked = String::with_capacity(line.len());
        let mut end = 0;
        for range in found {
            if range.start < end {
                continue;
            }
            masked.push_str(&line[end..range.start]);
            masked.push_str(MASK);
            end = range.end;
        }
        masked.push_str(&line[end..]);
        Cow::Owned(masked)
    }
}

/// A text of several lines without secrets.
pub fn mask(text: &str) -> String {
    let mut masker = Masker::default();
    let lines: Vec<Cow<str>> = text.split('\n').map(|line| masker.line(line)).collect();
    lines.join("\n")
}

/// Where secrets are, in their order.
fn found(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (prefix, least) in TOKENS {
        found.extend(
            line.match_indices(prefix)
                .filter_map(|(at, _)| token(line, at, prefix, least)),
        );
    }
    found.extend(password_of_address(line));
    found.extend(value_of_secret_name(line));
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    found
}

/// The letters after the recognizable beginning of a token.
fn token(line: &str, at: usize, prefix: &str, least: usize) -> Option<Range<usize>> {
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if line[..at].ends_with(in_word) {
        return None;
    }
    let start = at + prefix.len();
    let dots = prefix.ends_with('.') || prefix == "eyJ";
    let is_part = |letter: char| in_word(letter) || letter == '-' || (dots && letter == '.');
    let rest = &line[start..];
    let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
    let value = &rest[..length];
    let varied = value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic());
    (length >= least && varied).then_some(start..start + length)
}

/// `scheme://user:password@host`.
fn password_of_address(line: &str) -> Option<Range<usize>> {
    let start = line.find("://")? + 3;
    let rest = &line[start..];
    let end = rest.find(|letter: char| letter.is_whitespace() || "/\"'`<>".contains(letter));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let made_up = password.is_empty()
        || password.eq_ignore_ascii_case("pass")
        || is_placeholder(password)
        || SECRET_NAMES.contains(&&*password.to_lowercase());
    let from = start + user.len() + 1;
    (!made_up).then_some(from..from + password.len())
}

/// The text in quotes that something with a secret name is set to, or the rest of a line
/// `NAME=value` or `name: value`.
fn value_of_secret_name(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices([':', '=']) {
        let (before, after) = (&line[..at], &line[at + 1..]);
        if !names_secret(before) {
            continue;
        }
        let skipped = after.len() - after.trim_start_matches(['=', ':', '>', ' ', '\t']).len();
        let value = &after[skipped..];
        let start = at + 1 + skipped;
        match value.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => {
                let inner = &value[1..];
                let end = inner.find(quote).unwrap_or(inner.len());
                if is_secret_value(&inner[..end]) {
                    found.push(start + 1..start + 1 + end);
                }
            }
            Some(_) => {
                let value = value.trim_end();
                let plain =
                    |letter: char| letter.is_ascii_alphanumeric() || "+/=_-!@^~".contains(letter);
                let whole_line = before
                    .trim()
                    .trim_start_matches("export ")
                    .trim_start_matches("- ");
                let is_name = whole_line
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter));
                let digits = value.bytes().any(|byte| byte.is_ascii_digit());
                if is_name && digits && value.chars().all(plain) && is_secret_value(value) {
                    found.push(start..start + value.len());
                }
            }
            None => {}
        }
    }
    found
}

/// Whether the last name in a text, perhaps with a type behind it, is that of a secret.
fn names_secret(before: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let names = |text: &str| {
        let bare = text.trim_end().trim_end_matches(['"', '\'', '`', ']', ')']);
        let start = bare.rfind(|letter| !is_name(letter)).map_or(0, |at| at + 1);
        let name: String = bare.get(start..).unwrap_or_default().to_lowercase();
        let name = name.replace(['_', '-'], "");
        SECRET_NAMES.iter().any(|known| name.ends_with(known)) || name == "pwd"
    };
    // `const TOKEN: &str = …`
    names(before)
        || before.rsplit_once(':').is_some_and(|(name, kind)| {
            kind.len() < KEY_LINE_BYTES_MIN && !kind.contains(['"', '(']) && names(name)
        })
}

fn is_secret_value(value: &str) -> bool {
    let varied = value.bytes().any(|byte| byte.is_ascii_digit()) || value.len() >= VALUE_BYTES_LONG;
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    value.len() >= VALUE_BYTES_MIN
        && varied
        && letters
        && !value.contains(char::is_whitespace)
        && !is_placeholder(value)
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that no scanner takes this file for a leak.
    fn token(prefix: &str, length: usize) -> String {
        let letters = "a1B2c3D4e5".chars().cycle();
        prefix.chars().chain(letters.take(length)).collect()
    }

    #[test]
    fn secrets_are_masked_and_what_is_none_is_kept() {
        let cases = [
            format!("let t = \"{}\";", token("ghp_", 36)),
            token("github_pat_", 60),
            token("AKIA", 16),
            format!("Authorization: Bearer {}", token("eyJ", 80)),
            format!("x {} y", token("sk-ant-", 40)),
            format!("postgres://app:{}@db.local/main", token("", 12)),
            format!("const API_TOKEN: &str = \"{}\";", token("", 24)),
            format!("  \"client_secret\": '{}',", token("", 24)),
            format!("DB_PASSWORD={}", token("", 12)),
            format!("export AWS_SECRET_ACCESS_KEY={}", token("", 40)),
            format!("  password: {}", token("", 12)),
            format!("cfg.apiKey = `{}`", token("", 24)),
        ];
        for line in cases {
            let masked = Masker::default().line(&line).into_owned();
            assert!(masked.contains(MASK), "{line}");
            assert!(!masked.contains("a1B2c3D4"), "{masked}");
        }
        for line in [
            "let token = next_token();",
            "password = os.environ[\"DB_PASSWORD1\"]",
            "token: String,",
            "secret = \"${{ secrets.TOKEN1 }}\"",
            "let password = \"changeme123\";",
            "fn tokenize(token: &str) -> Vec<Token1> {",
            "https://user:password@example.com",
            "sk-learn is not a key, nor is ghp_short1",
            "if token == \"whitespace in here 1\" {",
            "task-force-of-two-and-thirty-letters-12345",
            "\"integrity\": \"sha512-abc123abc123abc123abc123abc123==\"",
        ] {
            assert_eq!(Masker::default().line(line), line);
        }
    }

    #[test]
    fn a_key_is_masked_to_its_end() {
        let begin = ["-----BEGIN RSA", " PRIVATE KEY-----"].concat();
        let text = format!("a\n{begin}\nMIIabc\ndef\n-----END RSA PRIVATE KEY-----\nb");
        let masked = mask(&text);
        assert!(
            !masked.contains("MII") && !masked.contains("def"),
            "{masked}"
        );
        assert!(
            masked.starts_with("a\n") && masked.ends_with("\nb"),
            "{masked}"
        );
        let one_line =
            format!("key = \"{begin}\\nMII\\n-----END RSA PRIVATE KEY-----\" and more\nafter");
        assert!(mask(&one_line).ends_with("\nafter"));
        assert!(!mask(&one_line).contains("MII"));
        let line = "MIIEpAIBAAKCAQEA1234567890123456789012345678901234567890";
        assert_eq!(Masker::of("deploy/server.pem").line(line), MASK);
        assert_eq!(Masker::of("a.txt").line(line), line);
    }
}
