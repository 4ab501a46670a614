use tidings_bounce::webhook::{Proof, Unproven, check};
use tidings_compose::Keys;
use tidings_domain::Service;
use tidings_store::{Webhook, WorkspaceId};

/// What an operator entered to prove a service's posts; empty when he trusts the secret in the address alone.
pub struct EnteredProof<'a> {
    pub service: Service,
    pub text: &'a str,
}

impl EnteredProof<'_> {
    /// # Errors
    /// It cannot prove anything: in words for the form.
    pub fn check(&self) -> Result<(), Unproven> {
        check(self.service, &proof(self.service, self.text))
    }
}

/// What is stored of a proof. Nothing is stored of none.
pub fn seal(keys: &Keys, workspace: WorkspaceId, text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => keys.seal_secret(&Webhook::proof_context(workspace), text),
    }
}

/// `None`: it was sealed with another instance's key.
pub fn open(keys: &Keys, webhook: &Webhook) -> Option<Proof> {
    if webhook.proof_sealed.is_empty() {
        return Some(Proof::None);
    }
    let context = Webhook::proof_context(webhook.workspace_id);
    let text = keys.open_secret(&context, &webhook.proof_sealed).ok()?;
    Some(proof(webhook.service, &text))
}

fn proof(service: Service, text: &str) -> Proof {
    match (text.trim(), service) {
        ("", _) => Proof::None,
        (text, Service::Ses) => Proof::SesTopic(text.to_owned()),
        (text, Service::SendGrid) => Proof::PublicKey(text.to_owned()),
        (text, _) => Proof::Secret(text.to_owned()),
    }
}
