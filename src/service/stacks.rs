//! Stacked pull requests.

use super::Reply;
use super::arguments::ManageStackedPrs;
use super::desk::Parts;
use crate::domain::ApiError;
use crate::pulls::stack;

impl Parts {
    pub(super) async fn manage_stacked_prs(
        &self,
        arguments: ManageStackedPrs,
    ) -> Result<Reply, ApiError> {
        let id = self.pull_id(&arguments.pr)?;
        let now = self.read(|view| view.now).await?;
        let report = stack::manage_stacked_prs(&self.pulls, id, arguments.remote, now).await?;
        Reply::new(&report)
    }
}
