//! What a file is for, told by its path alone: one table, read from the top, the first row that
//! matches counts.

use std::sync::LazyLock;

use serde::Serialize;

use super::path_pattern::PathPattern;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Copies of other people's code.
    Vendored,
    /// Written by a program.
    Generated,
    /// Manifests and lock files.
    Dependencies,
    /// Tests and their data.
    Tests,
    /// Workflows and pipelines.
    Ci,
    /// Changes of a database's schema.
    Migrations,
    /// What others call: OpenAPI, GraphQL, protobuf.
    ApiContract,
    /// Containers, deployment, infrastructure as code.
    Infra,
    /// For people to read.
    Docs,
    /// Who may do what: authentication, permissions, cryptography, keys, code owners.
    SecuritySensitive,
    /// What runs in a browser.
    Frontend,
    /// Other code.
    Backend,
    /// Settings.
    Config,
    /// Anything else.
    Other,
}

/// Patterns as `.gitignore` writes them, separated by spaces, against paths in lower case.
const TABLE: [(Area, &str); 14] = [
    (
        Area::Vendored,
        "vendor/ vendored/ third_party/ third-party/ node_modules/ external/ bower_components/",
    ),
    (
        Area::Dependencies,
        "cargo.toml cargo.lock package.json package-lock.json npm-shrinkwrap.json yarn.lock \
         pnpm-lock.yaml bun.lock bun.lockb deno.lock go.mod go.sum requirements*.txt requirements/*.txt \
         pyproject.toml poetry.lock pipfile pipfile.lock uv.lock setup.py setup.cfg gemfile gemfile.lock \
         *.gemspec composer.json composer.lock pom.xml build.gradle build.gradle.kts gradle.lockfile \
         libs.versions.toml mix.exs mix.lock package.swift package.resolved pubspec.yaml pubspec.lock \
         *.csproj packages.lock.json directory.packages.props flake.lock dependabot.yml renovate.json",
    ),
    (
        Area::Generated,
        "*.min.js *.min.css *.map *.pb.go *_pb2.py *_pb2_grpc.py *.pb.rs *.pb.cc *.pb.h *.g.dart \
         *.generated.* *_generated.* generated/ __generated__/ *.snap dist/ zz_generated.*",
    ),
    (
        Area::Tests,
        "test/ tests/ __tests__/ spec/ specs/ e2e/ testdata/ fixtures/ testing/ cypress/ *_test.* test_*.py \
         *.test.* *.spec.* *_spec.rb *test.java *tests.java *test.kt *tests.cs *test.php *tests.swift \
         conftest.py tests.rs benches/ benchmark/ benchmarks/",
    ),
    (
        Area::Ci,
        ".github/workflows/ .github/actions/ action.yml action.yaml .gitlab-ci.yml .gitlab/ci/ .circleci/ \
         jenkinsfile azure-pipelines*.yml .travis.yml .buildkite/ .drone.yml appveyor.yml \
         bitbucket-pipelines.yml .woodpecker/ .forgejo/",
    ),
    (
        Area::Migrations,
        "migrations/ migration/ db/migrate/ alembic/versions/ *.migration.* flyway/ liquibase/ schema.rb \
         structure.sql",
    ),
    (
        Area::ApiContract,
        "openapi*.* swagger*.* *.proto *.graphql *.graphqls *.thrift *.avsc *.wsdl *.raml asyncapi*.* *.smithy",
    ),
    (
        Area::Infra,
        "dockerfile dockerfile.* *.dockerfile containerfile docker-compose*.y*ml compose.y*ml .dockerignore \
         *.tf *.tfvars *.hcl terraform/ k8s/ kubernetes/ helm/ charts/ ansible/ pulumi*.y*ml deploy/ deployment/ \
         infra/ infrastructure/ *.bicep serverless.y*ml procfile nginx.conf *.service *.nix",
    ),
    (
        Area::Docs,
        "docs/ doc/ *.md *.mdx *.rst *.adoc license license.* changelog* notice authors *.ipynb readme*",
    ),
    (
        Area::SecuritySensitive,
        "codeowners .env .env.* *.pem *.key *.p12 *.pfx *.keystore *.jks id_rsa* id_ed25519* .npmrc .pypirc \
         .netrc .htpasswd auth/ authn/ authz/ oauth/ oauth2/ security/ crypto/ permissions/ acl/ rbac/ sso/ \
         auth.* *_auth.* auth_* authentication* authorization* password* *password.* session.* sessions.* token.* \
         tokens.* jwt* crypto.* permission*.* secret*.* secrets/ credential*.* sudoers csrf* cors.* login.* \
         signing.* encrypt* decrypt*",
    ),
    (
        Area::Frontend,
        "*.tsx *.jsx *.vue *.svelte *.css *.scss *.sass *.less *.html *.htm frontend/ client/ web/ ui/ public/ \
         webapp/ components/ pages/",
    ),
    (
        Area::Config,
        "*.toml *.yaml *.yml *.ini *.cfg *.conf *.properties *.json *.json5 *.jsonc *.xml .editorconfig \
         .gitignore .gitattributes .pre-commit-config.yaml makefile justfile cmakelists.txt *.cmake rakefile \
         .*rc .*rc.* *.config.js *.config.ts config/ settings.py .env.example .env.sample *.plist",
    ),
    (Area::Backend, "*.sql *.sh *.bash *.zsh *.ps1"),
    (Area::Other, "*"),
];

/// Files that are about settings although their folder or name reads otherwise.
const SAMPLES: &str = ".env.example .env.sample .env.template";
/// Files that hold or unlock secrets.
const SECRETS: &str = ".env .env.* *.pem *.key *.p12 *.pfx *.keystore *.jks id_rsa* id_ed25519* .npmrc .pypirc \
     .netrc .htpasswd secrets/ secret*.* credential*.*";

/// Languages by extension; those that are written by hand.
const LANGUAGES: [(&str, &str); 43] = [
    ("rs", "Rust"),
    ("py", "Python"),
    ("pyi", "Python"),
    ("js", "JavaScript"),
    ("mjs", "JavaScript"),
    ("cjs", "JavaScript"),
    ("jsx", "JavaScript"),
    ("ts", "TypeScript"),
    ("mts", "TypeScript"),
    ("cts", "TypeScript"),
    ("tsx", "TypeScript"),
    ("go", "Go"),
    ("java", "Java"),
    ("kt", "Kotlin"),
    ("kts", "Kotlin"),
    ("scala", "Scala"),
    ("groovy", "Groovy"),
    ("rb", "Ruby"),
    ("php", "PHP"),
    ("cs", "C#"),
    ("fs", "F#"),
    ("swift", "Swift"),
    ("m", "Objective-C"),
    ("c", "C"),
    ("h", "C"),
    ("cc", "C++"),
    ("cpp", "C++"),
    ("cxx", "C++"),
    ("hpp", "C++"),
    ("ex", "Elixir"),
    ("exs", "Elixir"),
    ("erl", "Erlang"),
    ("hs", "Haskell"),
    ("clj", "Clojure"),
    ("dart", "Dart"),
    ("lua", "Lua"),
    ("pl", "Perl"),
    ("r", "R"),
    ("jl", "Julia"),
    ("zig", "Zig"),
    ("sh", "Shell"),
    ("sql", "SQL"),
    ("vue", "Vue"),
];

static PATTERNS: LazyLock<Vec<(Area, Vec<PathPattern>)>> = LazyLock::new(|| {
    TABLE
        .iter()
        .map(|(area, row)| (*area, patterns(row)))
        .collect()
});
static SAMPLE_PATTERNS: LazyLock<Vec<PathPattern>> = LazyLock::new(|| patterns(SAMPLES));
static SECRET_PATTERNS: LazyLock<Vec<PathPattern>> = LazyLock::new(|| patterns(SECRETS));

fn patterns(row: &str) -> Vec<PathPattern> {
    row.split_whitespace()
        .filter_map(PathPattern::parse)
        .collect()
}

fn any(patterns: &[PathPattern], path: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(path))
}

impl Area {
    /// What the file at a path is for.
    pub fn of(path: &str) -> Self {
        let lower = path.to_lowercase();
        if any(&SAMPLE_PATTERNS, &lower) {
            return Self::Config;
        }
        let row = PATTERNS.iter().find(|(_, row)| any(row, &lower));
        match row.map_or(Self::Other, |(area, _)| *area) {
            // A program may lie where settings lie.
            Self::Config | Self::Other if language(path).is_some() => Self::Backend,
            area => area,
        }
    }

    /// Whether it holds code that runs for users.
    pub fn is_code(self) -> bool {
        matches!(
            self,
            Self::Backend | Self::Frontend | Self::SecuritySensitive | Self::Migrations
        )
    }

    /// Whether nobody wrote it here by hand.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Generated | Self::Vendored)
    }
}

/// Language of a file by its extension; none for what is no code.
pub fn language(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (_, extension) = name.rsplit_once('.')?;
    let known = LANGUAGES.iter();
    let mut known = known.filter(|(known, _)| extension.eq_ignore_ascii_case(known));
    known.next().map(|(_, language)| *language)
}

/// Whether a file holds secrets, or is where people put them.
pub fn holds_secrets(path: &str) -> bool {
    let lower = path.to_lowercase();
    any(&SECRET_PATTERNS, &lower)
        && !any(&SAMPLE_PATTERNS, &lower)
        && language(&lower).is_none()
        && Area::of(&lower) != Area::Tests
}

/// Whether a file is a lock file: a program writes it, by a manifest.
pub fn is_lock_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    const OTHERS: [&str; 6] = [
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "go.sum",
        "package.resolved",
        "packages.lock.json",
    ];
    name.ends_with(".lock")
        || name.ends_with(".lockb")
        || name.ends_with(".lockfile")
        || OTHERS.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_files_are_for() {
        use Area::*;
        let table = [
            ("src/db.rs", Backend),
            ("src/latest.rs", Backend),
            ("src/contest/rules.py", Backend),
            ("src/auth/login.rs", SecuritySensitive),
            ("src/author.rs", Backend),
            ("src/tokenizer.rs", Backend),
            ("tests/auth.rs", Tests),
            ("src/pulls/tests.rs", Tests),
            ("pkg/db_test.go", Tests),
            ("src/App.test.tsx", Tests),
            ("tests/test_db.py", Tests),
            ("src/App.tsx", Frontend),
            ("web/main.ts", Frontend),
            ("README.md", Docs),
            ("docs/auth.md", Docs),
            (".github/workflows/ci.yml", Ci),
            (".github/dependabot.yml", Dependencies),
            ("Cargo.lock", Dependencies),
            ("sub/package.json", Dependencies),
            ("requirements-dev.txt", Dependencies),
            ("db/migrate/001_add.rb", Migrations),
            ("migrations/0001.up.sql", Migrations),
            ("api/openapi.yaml", ApiContract),
            ("proto/user.proto", ApiContract),
            ("Dockerfile", Infra),
            ("deploy/main.tf", Infra),
            ("config/app.yaml", Config),
            ("config/initializers.rb", Backend),
            (".env", SecuritySensitive),
            (".env.example", Config),
            (".github/CODEOWNERS", SecuritySensitive),
            ("vendor/lib/a.go", Vendored),
            ("api/user.pb.go", Generated),
            ("logo.png", Other),
        ];
        for (path, area) in table {
            assert_eq!(Area::of(path), area, "{path}");
        }
    }

    #[test]
    fn languages_secrets_and_lock_files() {
        assert_eq!(language("src/a.RS"), Some("Rust"));
        assert_eq!(language("a.b/Makefile"), None);
        for (path, secret) in [
            (".env", true),
            ("deploy/server.pem", true),
            ("secrets/prod.yaml", true),
            (".env.example", false),
            ("src/secrets.rs", false),
            ("tests/fixtures/key.pem", false),
        ] {
            assert_eq!(holds_secrets(path), secret, "{path}");
        }
        assert!(is_lock_file("a/Cargo.lock") && is_lock_file("go.sum") && !is_lock_file("go.mod"));
    }
}
