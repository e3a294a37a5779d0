//! The REST API: finds the route, and dresses every answer as GitHub does.

mod compare;
mod dependencies;
mod git;
mod merges;
mod render;
mod review;
mod routes;
mod store;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::clock::RateLimit;
use super::json::Json;
use super::repository::Repository;
use super::world::World;
use render::Render;

/// A request, as both APIs see it.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// The path with its query.
    pub(super) path: &'a str,
    pub(super) host: String,
    pub(super) authorized: bool,
    pub(super) if_none_match: Option<String>,
    pub(super) body: &'a str,
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// What GraphQL charged.
    pub(super) points: u64,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        let mut reply = Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            points: 0,
        };
        reply.header("content-type", "application/json; charset=utf-8");
        reply.header("server", "github.com");
        reply
    }

    /// An error in GitHub's form.
    pub(super) fn message(status: u16, message: &str) -> Self {
        let mut json = Json::default();
        json.object(|json| {
            json.key("message").text(message);
            json.key("documentation_url")
                .plain("https://docs.github.com/rest");
            json.key("status").plain(status);
        });
        Self {
            body: json.finish(),
            ..Self::new(status)
        }
    }

    /// An answer with a body.
    pub(super) fn json(status: u16, fill: impl FnOnce(&mut Json)) -> Self {
        let mut json = Json::default();
        fill(&mut json);
        Self {
            body: json.finish(),
            ..Self::new(status)
        }
    }

    pub(super) fn header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Adds the headers that every answer has.
    pub(super) fn dress(&mut self, resource: &str, limit: &RateLimit, call: &Call<'_>) {
        let mut hasher = DefaultHasher::new();
        (call.path, call.body, limit.used).hash(&mut hasher);
        self.header("x-github-request-id", format!("{:016X}", hasher.finish()));
        self.header("x-github-media-type", "github.v3; format=json");
        self.header("x-oauth-scopes", "repo, read:org");
        self.header("x-accepted-oauth-scopes", "");
        self.header("x-ratelimit-limit", limit.limit.to_string());
        self.header("x-ratelimit-remaining", limit.remaining().to_string());
        self.header("x-ratelimit-used", limit.used.to_string());
        self.header("x-ratelimit-reset", limit.reset.as_second().to_string());
        self.header("x-ratelimit-resource", resource);
    }
}

/// The query of a request, decoded.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
            .max(1)
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let hex = text
            .get(place + 1..place + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[place], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                place += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Answers a REST request.
pub(super) fn answer(world: &mut World, call: &Call<'_>) -> Reply {
    if call.host == merges::STORAGE {
        return merges::storage(world, call);
    }
    let (path, query) = call.path.split_once('?').unwrap_or((call.path, ""));
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    // Asking for the limits is free.
    if segments != ["rate_limit"] && !world.rest_limit.take(1) {
        let mut reply = Reply::message(403, "API rate limit exceeded for user ID 1.");
        reply.dress("core", &world.rest_limit, call);
        return reply;
    }
    let mut reply = if call.authorized || segments == ["rate_limit"] {
        route(world, call, &segments, &Query::parse(query))
    } else {
        Reply::message(401, "Requires authentication")
    };
    if reply.status == 200 {
        reply = with_etag(reply, call);
    }
    if reply.status == 304 {
        // An answer that nothing changed does not count.
        world.rest_limit.used -= 1;
    }
    reply.dress("core", &world.rest_limit, call);
    reply
}

fn with_etag(mut reply: Reply, call: &Call<'_>) -> Reply {
    let mut hasher = DefaultHasher::new();
    reply.body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    // Tags compare without the mark of weakness that GitHub puts before most of them.
    let known = call.if_none_match.as_deref().unwrap_or_default();
    if call.method == "GET"
        && known
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    {
        reply.status = 304;
        reply.body.clear();
    }
    reply.header("etag", format!("W/{tag}"));
    reply.header("cache-control", "private, max-age=60, s-maxage=60");
    reply
}

fn route(world: &mut World, call: &Call<'_>, segments: &[&str], query: &Query) -> Reply {
    let method = if call.method == "HEAD" {
        "GET"
    } else {
        call.method
    };
    let owned_by = |owner: &str| {
        let owner = owner.to_owned();
        move |repository: &Repository| repository.owner.eq_ignore_ascii_case(&owner)
    };
    match (method, segments) {
        ("GET", []) => Reply::json(200, |json| Render::new(world).root(json)),
        ("GET", ["user"]) => Reply::json(200, |json| Render::new(world).viewer(json)),
        ("GET", ["rate_limit"]) => Reply::json(200, |json| Render::new(world).rate_limit(json)),
        ("GET", ["user", "repos"]) => repositories(world, query, "user/repos", |_| true),
        ("GET", ["orgs", owner, "repos"]) if world.is_organization(owner) => {
            repositories(world, query, &segments.join("/"), owned_by(owner))
        }
        ("GET", ["users", owner, "repos"]) => {
            repositories(world, query, &segments.join("/"), owned_by(owner))
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let found = world.find(&format!("{owner}/{name}"));
            let Some((place, current)) = found.map(|(found, current)| (found.id, current)) else {
                return Reply::message(404, "Not Found");
            };
            if !current {
                let tail = rest
                    .iter()
                    .map(|segment| format!("/{segment}"))
                    .collect::<String>();
                return moved(
                    method,
                    &format!("{}/repositories/{place}{tail}", world.api_url()),
                );
            }
            routes::route(world, place, method, rest, query, call.body)
        }
        (_, ["repositories", id, rest @ ..]) => {
            let mut visible = world
                .repositories
                .iter()
                .filter(|repository| !repository.inaccessible);
            match visible
                .find(|repository| repository.id.to_string() == *id)
                .map(|found| found.id)
            {
                Some(id) => routes::route(world, id, method, rest, query, call.body),
                None => Reply::message(404, "Not Found"),
            }
        }
        _ => Reply::message(404, "Not Found"),
    }
}

/// The answer for what lives elsewhere now. Only a reader may be sent on with 301:
/// clients make a GET of whatever they repeat after that, so writes get 307.
fn moved(method: &str, url: &str) -> Reply {
    let mut reply = Reply::json(if method == "GET" { 301 } else { 307 }, |json| {
        json.object(|json| {
            json.key("message").plain("Moved Permanently");
            json.key("url").plain(url);
            json.key("documentation_url")
                .plain("https://docs.github.com/rest");
        });
    });
    reply.header("location", url);
    reply
}

fn repositories(
    world: &World,
    query: &Query,
    path: &str,
    wanted: impl Fn(&Repository) -> bool,
) -> Reply {
    let visible = world
        .repositories
        .iter()
        .filter(|repository| !repository.inaccessible);
    let mut found: Vec<&Repository> = visible.filter(|repository| wanted(repository)).collect();
    let sort = query.get("sort").unwrap_or("full_name");
    match sort {
        "created" => found.sort_by_key(|repository| repository.created_at),
        "updated" => found.sort_by_key(|repository| repository.updated_at),
        "pushed" => found.sort_by_key(|repository| repository.pushed_at),
        _ => found.sort_by_key(|repository| repository.full_name().to_lowercase()),
    }
    let default = if sort == "full_name" { "asc" } else { "desc" };
    if query.get("direction").unwrap_or(default) == "desc" {
        found.reverse();
    }
    let render = Render::new(world);
    paged(world, query, path, &found, |json, repository| {
        render.repository(json, repository)
    })
}

/// One page of a list, with links to the others.
fn paged<T: Copy>(
    world: &World,
    query: &Query,
    path: &str,
    items: &[T],
    each: impl FnMut(&mut Json, T),
) -> Reply {
    let per_page = query.number("per_page", 30).min(100);
    let page = query.number("page", 1);
    let last = items.len().div_ceil(per_page).max(1);
    let shown = items
        .iter()
        .copied()
        .skip((page - 1) * per_page)
        .take(per_page);
    let mut reply = Reply::json(200, |json| json.list(shown, each));
    let link = |to: usize, relation: &str| {
        let kept = query.0.iter().filter(|(name, _)| name != "page");
        let kept: String = kept
            .map(|(name, value)| format!("{name}={}&", encode(value)))
            .collect();
        format!(
            "<{}/{path}?{kept}page={to}>; rel=\"{relation}\"",
            world.api_url()
        )
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < last {
        links.extend([link(page + 1, "next"), link(last, "last")]);
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    if !links.is_empty() {
        reply.header("link", links.join(", "));
    }
    reply
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encoded).collect()
}
