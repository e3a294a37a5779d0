//! The three prompts: the workflow, for people who pick them from a menu.

use rmcp::ErrorData;
use rmcp::model::{
    ErrorCode, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage, Role,
};

struct PromptSpec {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [(&'static str, &'static str, bool)],
    text: &'static str,
}

const PROMPTS: [PromptSpec; 3] = [
    PromptSpec {
        name: "take_next_issue",
        title: "Take the next issue",
        description: "Claim the best open issue, work on it and open a pull request",
        arguments: &[
            ("agent_id", "Name of this agent", true),
            ("repo", "Only of this repository, owner/name", false),
        ],
        text: "You are agent {agent_id}. Call next_issue with this agent_id{repo}. When it returns \
               a claim_id: read the issue, call update_claim_status with in_progress, make the \
               change on a branch of its own with tests, open a pull request whose text says \
               \"Closes #NUMBER\", and call update_claim_status with pr_submitted and its pr_url. \
               If you cannot finish, call release_issue with a handoff_note that says what you \
               learnt. If a call answers claim_lost, stop work on that issue.",
    },
    PromptSpec {
        name: "finish_pull_request",
        title: "Finish my pull requests",
        description: "Bring the pull requests of this agent's claims to their merge",
        arguments: &[("agent_id", "Name of this agent", true)],
        text: "You are agent {agent_id}. Call get_my_claims. For each claim with status \
               pr_submitted look at its pull request: mend failing checks, answer review \
               comments, resolve conflicts, and push. When changes were asked for, call \
               update_claim_status with in_progress while you work and pr_submitted again after. \
               When it is merged, call update_claim_status with pr_merged, and with closed when \
               the issue is done.",
    },
    PromptSpec {
        name: "triage",
        title: "Triage a repository",
        description: "Look over the open issues of a repository and say what is ready for agents",
        arguments: &[("repo", "Repository, owner/name", true)],
        text: "Call list_open_issues{repo} until there is no next_cursor. Group the issues: ready \
               for an agent, blocked (why_not says by what), and unclear. For each unclear one \
               read it with get_issue_details and say which question its author must answer. \
               Claim nothing.",
    },
];

/// All prompts.
pub(super) fn list() -> Vec<Prompt> {
    let describe = |spec: &PromptSpec| {
        let argument = |(name, about, required): &(&str, &str, bool)| {
            PromptArgument::new(*name)
                .with_description(*about)
                .with_required(*required)
        };
        let arguments = spec.arguments.iter().map(argument).collect();
        Prompt::new(spec.name, Some(spec.description), Some(arguments)).with_title(spec.title)
    };
    PROMPTS.iter().map(describe).collect()
}

/// One prompt with its arguments filled in.
pub(super) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    let invalid = |message: String| ErrorData::new(ErrorCode::INVALID_PARAMS, message, None);
    let Some(spec) = PROMPTS.iter().find(|spec| spec.name == request.name) else {
        let names = PROMPTS.map(|spec| spec.name).join(", ");
        return Err(invalid(format!("no such prompt; the prompts are {names}")));
    };
    let mut text = spec.text.to_owned();
    for (name, _, required) in spec.arguments {
        let given = request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get(*name));
        let given = given
            .and_then(|value| value.as_str())
            .filter(|value| !value.is_empty());
        if *required && given.is_none() {
            return Err(invalid(format!("{} needs the argument {name}", spec.name)));
        }
        let filled = match (*name, given) {
            ("repo", Some(repo)) => format!(" with repo {repo}"),
            (_, given) => given.unwrap_or_default().to_owned(),
        };
        text = text.replace(&format!("{{{name}}}"), &filled);
    }
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(spec.description))
}
