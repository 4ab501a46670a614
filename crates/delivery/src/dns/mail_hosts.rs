use std::sync::Arc;

/// Where a domain's mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHosts {
    /// Who operates them; see [`ProviderTable`](tidings_domain::ProviderTable).
    pub provider: Arc<str>,
    /// In the order to try them: by preference, equal ones shuffled anew for each caller (RFC 5321 §5.1).
    pub hosts: Vec<MxHost>,
    /// A validating resolver vouches for the MX records; see [`ResolverOptions::validates`](crate::ResolverOptions::validates).
    pub is_secure: bool,
    /// There is no MX record: the domain itself is the host (RFC 5321 §5.1), and its name does not say who operates it.
    pub is_implicit: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    /// Lower case, without the trailing dot.
    pub name: String,
    pub preference: u16,
}
