use tidings_domain::{Role, Theme};
use tidings_store::{Member, Store, UserId, Workspace, WorkspaceRow};

/// The person behind a request, read from the database with it: a role that was taken away is gone with the next click.
#[derive(Debug, Clone)]
pub struct Who {
    pub id: UserId,
    pub name: String,
    pub email: String,
    pub theme: Theme,
    pub role: Role,
    pub workspace: WorkspaceRow,
    /// The hash of the session's key: which of his sessions this is.
    pub session: String,
}

impl Who {
    pub(crate) fn new(member: Member, session: String) -> Self {
        let Member { user, workspace, role } = member;
        Self { id: user.id, name: user.name, email: user.email, theme: user.theme, role, workspace, session }
    }

    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// The tenant's data.
    #[must_use]
    pub fn data(&self, store: &Store) -> Workspace {
        store.workspace(self.workspace.id)
    }

    /// Up to two letters for the round badge.
    #[must_use]
    pub fn initials(&self) -> String {
        let words: Vec<&str> = self.name.split_whitespace().collect();
        let ends = [words.first(), words.last().filter(|_| words.len() > 1)];
        ends.into_iter().flatten().filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
    }
}
