//! Which dependency a line of a manifest or lock file names. It reads hunks, not files: the section
//! that a line is in is known only where the hunk shows it.

/// Forms of manifests and lock files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    CargoToml,
    /// `name = "x"` and below it `version = "1"`.
    LockToml,
    PackageJson,
    PackageLock,
    GoMod,
    Requirements,
    GemfileLock,
    /// Lists of requirements, or tables as in a `Cargo.toml`.
    PyProject,
    Unknown,
}

/// Whether a file at this path may name dependencies that are not read: one of a form that is not
/// known here, unless it only has settings, or sums of what `go.mod` names.
pub(super) fn is_unread(path: &str) -> bool {
    const NAMES_NONE: [&str; 3] = ["go.sum", "dependabot.yml", "renovate.json"];
    let name = path.rsplit('/').next().unwrap_or(path);
    ManifestReader::of(path).form == Form::Unknown && !NAMES_NONE.contains(&name)
}

/// Reads lines of a hunk in their order.
pub(super) struct ManifestReader {
    form: Form,
    /// The section or the package that the lines are in, where it is known.
    within: Option<String>,
}

impl ManifestReader {
    /// For a file at this path.
    pub(super) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let form = match &*name {
            "cargo.toml" | "pipfile" => Form::CargoToml,
            "cargo.lock" | "poetry.lock" | "uv.lock" => Form::LockToml,
            "package.json" => Form::PackageJson,
            "package-lock.json" | "npm-shrinkwrap.json" => Form::PackageLock,
            "go.mod" => Form::GoMod,
            "gemfile.lock" => Form::GemfileLock,
            "pyproject.toml" => Form::PyProject,
            name if name.starts_with("requirements") && name.ends_with(".txt") => {
                Form::Requirements
            }
            _ => Form::Unknown,
        };
        Self { form, within: None }
    }

    /// The dependencies and versions that a line names.
    pub(super) fn line(&mut self, line: &str) -> Vec<(String, String)> {
        let trimmed = line.trim();
        if self.form == Form::PyProject
            && let Some(list) = list_of_strings(trimmed)
        {
            return strings(list).into_iter().filter_map(requirement).collect();
        }
        self.single(trimmed).into_iter().collect()
    }

    fn single(&mut self, trimmed: &str) -> Option<(String, String)> {
        match self.form {
            Form::CargoToml => self.cargo_toml(trimmed),
            Form::LockToml => self.lock_toml(trimmed),
            Form::PackageJson => self.package_json(trimmed),
            Form::PackageLock => self.package_lock(trimmed),
            Form::GoMod => {
                let rest = trimmed.strip_prefix("require ").unwrap_or(trimmed);
                let mut words = rest.split_whitespace();
                let (name, version) = (words.next()?, words.next()?);
                let is_module = name.contains('.') && version.starts_with('v');
                is_module.then(|| (name.to_owned(), version.to_owned()))
            }
            Form::Requirements => requirement(trimmed),
            Form::PyProject => self.py_project(trimmed),
            Form::GemfileLock => {
                let (name, rest) = trimmed.split_once(" (")?;
                let version = rest.strip_suffix(')')?;
                // Deeper lines name what a gem wants, not what is taken.
                let is_taken = version.starts_with(|first: char| first.is_ascii_digit());
                (is_taken && is_name(name)).then(|| (name.to_owned(), version.to_owned()))
            }
            Form::Unknown => None,
        }
    }

    fn cargo_toml(&mut self, line: &str) -> Option<(String, String)> {
        if let Some(section) = section(line) {
            self.within = Some(section.to_owned());
            return None;
        }
        const OWN: [&str; 8] = [
            "version",
            "edition",
            "rust-version",
            "name",
            "resolver",
            "python_version",
            "python",
            "license",
        ];
        let (name, value) = line.split_once('=')?;
        let name = name.trim().trim_matches('"');
        let other = self.within.as_ref().is_some_and(|section| {
            !section.contains("dependencies") && !section.ends_with("packages")
        });
        if other || !is_name(name) || OWN.contains(&name) {
            return None;
        }
        let value = value.trim();
        let version = match value.strip_prefix('{') {
            Some(table) => quoted(table.split_once("version")?.1)?,
            None => quoted(value)?,
        };
        looks_like_version(version).then(|| (name.to_owned(), version.to_owned()))
    }

    /// What Poetry writes into tables. Outside of these, versions are of other things.
    fn py_project(&mut self, line: &str) -> Option<(String, String)> {
        let within = self.within.as_ref();
        let in_table = within.is_some_and(|within| within.contains("dependencies"));
        let fits = in_table || section(line).is_some();
        fits.then(|| self.cargo_toml(line))?
    }

    fn lock_toml(&mut self, line: &str) -> Option<(String, String)> {
        if line.starts_with("[[") || line.starts_with("@@") {
            self.within = None;
        } else if let Some(name) = line.strip_prefix("name = ") {
            self.within = quoted(name).map(str::to_owned);
        } else if let Some(version) = line.strip_prefix("version = ") {
            return Some((self.within.clone()?, quoted(version)?.to_owned()));
        }
        None
    }

    fn package_json(&mut self, line: &str) -> Option<(String, String)> {
        const OWN: [&str; 6] = ["version", "node", "npm", "name", "main", "yarn"];
        let (name, value) = line.split_once(':')?;
        let name = quoted(name)?;
        if value.trim() == "{" {
            self.within = Some(name.to_owned());
            return None;
        }
        let version = quoted(value)?;
        let other = self
            .within
            .as_ref()
            .is_some_and(|within| !within.to_lowercase().contains("dependencies"));
        let fits = !other && !OWN.contains(&name) && looks_like_version(version);
        fits.then(|| (name.to_owned(), version.to_owned()))
    }

    fn package_lock(&mut self, line: &str) -> Option<(String, String)> {
        let (name, value) = line.split_once(':')?;
        let name = quoted(name)?;
        if let (Some(package), "{") = (name.rsplit("node_modules/").next(), value.trim())
            && name.contains("node_modules/")
        {
            self.within = Some(package.to_owned());
            return None;
        }
        let version = quoted(value)?;
        (name == "version").then(|| Some((self.within.clone()?, version.to_owned())))?
    }
}

/// `name[extra]>=1.0; marker`, as pip takes it. An option has one `=`, and begins with a dash.
fn requirement(text: &str) -> Option<(String, String)> {
    let bare = text.split([';', '#']).next()?.trim();
    let at = bare.find(['=', '>', '<', '~', '!'])?;
    let name = bare[..at].split('[').next()?.trim();
    let version = bare[at..].trim_start_matches("==").trim();
    let fits = is_name(name) && !name.starts_with('-') && !version.starts_with('=');
    (fits && !version.is_empty()).then(|| (name.to_owned(), version.to_owned()))
}

/// The part of a line that is a list of strings, or a part of one: PEP 621 has requirements in them.
fn list_of_strings(line: &str) -> Option<&str> {
    let list = match line.split_once('[') {
        Some((key, list)) if key.trim_end().ends_with('=') && !key.contains('{') => list,
        _ => line,
    };
    list.trim_start().starts_with(['"', '\'']).then_some(list)
}

/// The texts in quotes.
fn strings(mut text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some(start) = text.find(['"', '\''])
        && let Some(end) = text[start + 1..].find(&text[start..=start])
    {
        found.push(&text[start + 1..start + 1 + end]);
        text = &text[start + end + 2..];
    }
    found
}

/// The name of a section, also as git shows it beside the numbers of a hunk.
fn section(line: &str) -> Option<&str> {
    let line = line.rsplit("@@ ").next()?;
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.trim_matches(['[', ']']))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || "-_./@".contains(letter))
}

/// The text in the first pair of quotes.
fn quoted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(['"', '\''])?;
    rest.split(['"', '\'']).next()
}

fn looks_like_version(version: &str) -> bool {
    let bare = version.trim_start_matches(['^', '~', '=', '>', '<', 'v', ' ']);
    matches!(version, "*" | "latest")
        || bare.starts_with(|first: char| first.is_ascii_digit())
        || version.starts_with("workspace:")
}
