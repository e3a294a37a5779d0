use serde_json::{Value, json};

use super::super::github::{GitHub, World};
use super::client::{query, send, start};

fn numbers(connection: &Value) -> Vec<u64> {
    let nodes = connection["nodes"].as_array().expect("there are nodes");
    nodes
        .iter()
        .filter_map(|node| node["number"].as_u64())
        .collect()
}

fn codes(answer: &Value) -> Vec<&str> {
    assert_eq!(
        answer.get("data"),
        None,
        "a query that is wrong has no data: {answer}"
    );
    let errors = answer["errors"].as_array().expect("there are errors");
    errors
        .iter()
        .filter_map(|error| {
            error["extensions"]["code"]
                .as_str()
                .or(error["type"].as_str())
        })
        .collect()
}

#[tokio::test]
async fn a_syntax_error_names_the_place() {
    let answer = query(&start(0).await, "query {\n viewer { login ", json!({})).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("Parse error"))
    );
    assert_eq!(answer["errors"][0]["locations"][0]["line"], 2);
    assert_eq!(answer.get("data"), None);
}

#[tokio::test]
async fn aliases_fragments_and_directives() {
    let github = start(2).await;
    let text = "query Q($o: String!, $no: Boolean = false) {
        me: viewer { login kind: __typename }
        r0: repository(owner: $o, name: \"API\") { ...R i: issue(number: 2) { ...I ... on Issue { state } } }
        skipped: viewer @include(if: $no) { login }
        also: viewer @skip(if: true) { login }
        both: repositoryOwner(login: $o) { __typename ... on Organization { login } ... on User { name } }
    }
    fragment R on Repository { nameWithOwner issues { totalCount } }
    fragment I on Issue { number ...T } fragment T on Issue { title }";
    let answer = query(&github, text, json!({"o": "Acme"})).await;
    assert_eq!(
        answer,
        json!({"data": {
            "me": {"login": "octo", "kind": "User"},
            "r0": {"nameWithOwner": "acme/api", "issues": {"totalCount": 2},
                   "i": {"number": 2, "title": "Issue 2", "state": "OPEN"}},
            "both": {"__typename": "Organization", "login": "acme"},
        }})
    );
    assert_eq!(github.requests()[0].operation.as_deref(), Some("Q"));
}

#[tokio::test]
async fn wrong_queries_are_refused_as_a_whole() {
    let github = start(1).await;
    let in_repository =
        |inner: &str| format!("{{repository(owner:\"acme\",name:\"api\"){{{inner}}}}}");
    for (inner, code) in [
        ("issue(number:1){x}", "undefinedField"),
        ("issue(number:1)", "selectionMismatch"),
        ("name{x}", "selectionMismatch"),
        ("issue{title}", "missingRequiredArguments"),
        ("issue(number:\"1\"){title}", "argumentLiteralsIncompatible"),
        (
            "issues(states:OPENED){totalCount}",
            "argumentLiteralsIncompatible",
        ),
        (
            "issues(filterBy:{sinse:\"x\"}){totalCount}",
            "argumentLiteralsIncompatible",
        ),
        ("issues(frist:1){totalCount}", "argumentNotAccepted"),
        ("issue(number:$n){title}", "variableNotDefined"),
        ("...F", "useAndDefineFragment"),
        ("...on Issue{title}", "cannotSpreadFragment"),
        ("issues{nodes{number}}", "MISSING_PAGINATION_BOUNDARIES"),
        ("issues(first:101){nodes{number}}", "EXCESSIVE_PAGINATION"),
    ] {
        assert_eq!(
            codes(&query(&github, &in_repository(inner), json!({})).await),
            [code],
            "{inner}"
        );
    }
    let loops = "{viewer{...A}} fragment A on User{...B} fragment B on User{...A}";
    assert_eq!(
        codes(&query(&github, loops, json!({})).await),
        ["infiniteLoop"]
    );
    let unused = "query($a:Int){viewer{login}} fragment A on User{login}";
    let expected = ["useAndDefineFragment", "variableNotUsed"];
    assert_eq!(codes(&query(&github, unused, json!({})).await), expected);
    let message = query(&github, &in_repository("issue(number:1){x}"), json!({})).await;
    assert_eq!(
        message["errors"][0]["message"],
        "Field 'x' doesn't exist on type 'Issue'"
    );
}

#[tokio::test]
async fn variables_are_checked() {
    let github = start(1).await;
    let text = "query($o:String!,$s:DateTime){repository(owner:$o,name:\"api\"){issues(filterBy:{since:$s}){totalCount}}}";
    let missing = query(&github, text, json!({})).await;
    let message = "Variable $o of type String! was provided invalid value";
    assert_eq!(missing["errors"][0]["message"], message);
    let wrong = query(&github, text, json!({"o": "acme", "s": "yesterday"})).await;
    assert!(
        wrong["errors"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("$s"))
    );
    let null = query(&github, text, json!({"o": "acme", "s": null})).await;
    assert_eq!(null["data"]["repository"]["issues"]["totalCount"], 1);
    let nullable = "query($o:String){repository(owner:$o,name:\"api\"){id}}";
    assert_eq!(
        codes(&query(&github, nullable, json!({"o": "acme"})).await),
        ["variableMismatch"]
    );
}

#[tokio::test]
async fn pages_go_both_ways_in_both_orders() {
    let github = start(5).await;
    let text = "query($f:Int,$l:Int,$a:String,$b:String,$d:OrderDirection!){repository(owner:\"acme\",name:\"api\"){
        issues(first:$f,last:$l,after:$a,before:$b,orderBy:{field:UPDATED_AT,direction:$d}){
            totalCount pageInfo{hasNextPage hasPreviousPage startCursor endCursor} nodes{number} edges{cursor}}}}";
    let page = async |variables: Value| {
        let answer = query(&github, text, variables).await;
        answer["data"]["repository"]["issues"].clone()
    };
    for (direction, expected) in [("ASC", [1, 2, 3, 4, 5]), ("DESC", [5, 4, 3, 2, 1])] {
        let first = page(json!({"f": 2, "d": direction})).await;
        assert_eq!(numbers(&first), expected[..2]);
        assert_eq!(first["totalCount"], 5);
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        assert_eq!(first["pageInfo"]["hasPreviousPage"], false);
        assert_eq!(first["edges"][1]["cursor"], first["pageInfo"]["endCursor"]);
        let second =
            page(json!({"f": 3, "a": first["pageInfo"]["endCursor"], "d": direction})).await;
        assert_eq!(numbers(&second), expected[2..]);
        assert_eq!(second["pageInfo"]["hasNextPage"], false);
        assert_eq!(second["pageInfo"]["hasPreviousPage"], true);
        let before =
            page(json!({"l": 1, "b": second["pageInfo"]["startCursor"], "d": direction})).await;
        assert_eq!(numbers(&before), [expected[1]]);
        assert_eq!(before["pageInfo"]["hasPreviousPage"], true);
        assert_eq!(
            numbers(&page(json!({"l": 2, "d": direction})).await),
            expected[3..]
        );
        assert_eq!(
            numbers(&page(json!({"f": 5, "d": direction})).await),
            expected
        );
    }
    let wrong = query(&github, text, json!({"f": 1, "a": "zzz", "d": "ASC"})).await;
    assert_eq!(wrong["errors"][0]["type"], "INVALID_CURSOR_ARGUMENTS");
}

#[tokio::test]
async fn since_is_inclusive() {
    let github = start(3).await;
    let since = github.change(|world| world.issue("acme/api", 2).updated_at);
    let text = "query($s:DateTime){repository(owner:\"acme\",name:\"api\"){issues(first:9,filterBy:{since:$s}){nodes{number}}}}";
    let answer = query(&github, text, json!({"s": since})).await;
    assert_eq!(numbers(&answer["data"]["repository"]["issues"]), [2, 3]);
}

#[tokio::test]
async fn what_is_missing_is_null_beside_what_is_there() {
    let github = start(2).await;
    github.change(|world| {
        world.add_repository("acme/hidden").inaccessible = true;
        world.delete_issue("acme/api", 2);
    });
    let text = "{a:repository(owner:\"acme\",name:\"hidden\"){id}
        b:repository(owner:\"acme\",name:\"api\"){one:issue(number:1){number} two:issue(number:2){number}}}";
    let answer = query(&github, text, json!({})).await;
    assert_eq!(
        answer["data"],
        json!({"a": null, "b": {"one": {"number": 1}, "two": null}})
    );
    let hidden = json!({"type": "NOT_FOUND", "path": ["a"], "message": "Could not resolve to a Repository with the name 'acme/hidden'."});
    assert_eq!(answer["errors"][0], hidden);
    assert_eq!(answer["errors"][1]["path"], json!(["b", "two"]));
}

#[tokio::test]
async fn links_between_issues_and_pull_requests() {
    let mut world = World::new("octo");
    let repository = world.add_repository("acme/api");
    repository.add_issue("A");
    repository.add_issue("B").blocked_by(1);
    repository.add_pull_request("Fix A", &[1]);
    let github = GitHub::start(world)
        .await
        .expect("the temporary folder takes a socket");
    let text = "{repository(owner:\"acme\",name:\"api\"){
        a:issue(number:1){state issueDependenciesSummary{blocking totalBlocking} blocking(first:5){nodes{number}}
            closedByPullRequestsReferences(first:5,includeClosedPrs:true){nodes{number state}}}
        b:issue(number:2){issueDependenciesSummary{blockedBy totalBlockedBy} blockedBy(first:5){totalCount nodes{number}}}
        p:pullRequest(number:3){merged closingIssuesReferences(first:5){nodes{number repository{nameWithOwner}}}}}}";
    let before = query(&github, text, json!({})).await["data"]["repository"].clone();
    assert_eq!(
        before["a"]["issueDependenciesSummary"],
        json!({"blocking": 1, "totalBlocking": 1})
    );
    assert_eq!(numbers(&before["a"]["blocking"]), [2]);
    assert_eq!(
        before["a"]["closedByPullRequestsReferences"]["nodes"],
        json!([{"number": 3, "state": "OPEN"}])
    );
    assert_eq!(
        before["b"]["issueDependenciesSummary"],
        json!({"blockedBy": 1, "totalBlockedBy": 1})
    );
    assert_eq!(numbers(&before["p"]["closingIssuesReferences"]), [1]);
    github.change(|world| world.merge_pull_request("acme/api", 3));
    let after = query(&github, text, json!({})).await["data"]["repository"].clone();
    assert_eq!(after["a"]["state"], "CLOSED");
    assert_eq!(
        after["b"]["issueDependenciesSummary"],
        json!({"blockedBy": 0, "totalBlockedBy": 1})
    );
    assert_eq!(after["p"]["merged"], true);
    github.change(|world| world.issue_dependencies = false);
    assert_eq!(
        codes(&query(&github, text, json!({})).await)[0],
        "undefinedField"
    );
}

#[tokio::test]
async fn points_are_charged_by_what_is_asked_for() {
    let github = start(1).await;
    let inner = "issues(first:100){nodes{number labels(first:20){nodes{name}} assignees(first:10){nodes{login}}}}";
    let fields: Vec<String> = (0..50)
        .map(|n| format!("r{n}:repository(owner:\"acme\",name:\"api\"){{{inner}}}"))
        .collect();
    let text = format!("{{{} rateLimit{{cost remaining}}}}", fields.join(" "));
    let answer = query(&github, &text, json!({})).await;
    assert_eq!(
        answer["data"]["rateLimit"],
        json!({"cost": 101, "remaining": 4_899})
    );
    assert_eq!(github.requests()[0].points, 101);
    github.change(|world| world.graphql_limit.used = world.graphql_limit.limit);
    let refused = query(&github, "{viewer{login}}", json!({})).await;
    assert_eq!(refused["errors"][0]["type"], "RATE_LIMITED");
}

#[tokio::test]
async fn too_many_aliases_give_partial_data() {
    let github = start(1).await;
    github.change(|world| world.aliases_max = Some(1));
    let text = "{viewer{login} a:repository(owner:\"acme\",name:\"api\"){name} b:repository(owner:\"acme\",name:\"api\"){name} rateLimit{cost}}";
    let answer = query(&github, text, json!({})).await;
    assert_eq!(answer["data"]["a"]["name"], "api");
    assert_eq!(answer["data"]["b"], Value::Null);
    assert_eq!(answer["data"]["rateLimit"]["cost"], 1);
    assert_eq!(answer["errors"][0]["type"], "RESOURCE_LIMITS_EXCEEDED");
}

#[tokio::test]
async fn nodes_by_id_and_operations_by_name() {
    let github = start(1).await;
    let text = "query A{viewer{login}} query B($ids:[ID!]!){nodes(ids:$ids){id __typename ...on Issue{number}}}";
    let body = json!({"query": text, "operationName": "B", "variables": {"ids": ["I_kwDO1000n1", "R_kgDO1000", "?"]}});
    let answer = send(&github, "POST", "/graphql", "", &body.to_string())
        .await
        .json();
    let nodes = json!([
        {"id": "I_kwDO1000n1", "__typename": "Issue", "number": 1},
        {"id": "R_kgDO1000", "__typename": "Repository"},
        null,
    ]);
    assert_eq!(answer["data"]["nodes"], nodes);
    assert_eq!(answer["errors"][0]["path"], json!(["nodes", 2]));
}
