use crate::*;
use std::time::Duration;
#[derive(Clone)]
pub struct Embedded(#[allow(dead_code)] std::sync::Arc<QueueOptions>);
impl Embedded {
    pub fn new(options: QueueOptions) -> Self {
        Self(options.into())
    }
    pub fn push(&self, _: &Shard, _: &[Job]) {}
    pub fn push_delayed(&self, _: &Shard, _: &[(Job, Duration)]) {}
    pub async fn lease(&self, _: &str, _: usize, wait: Duration) -> Option<Grant> {
        tokio::time::sleep(wait).await;
        None
    }
    pub fn more(&self, _: &Grant, _: usize) -> More {
        More::Empty
    }
    pub fn settle(&self, _: &Grant, _: &[(Job, Settle)]) -> LeaseState {
        LeaseState::Lost
    }
    pub fn extend(&self, _: &Grant) -> LeaseState {
        LeaseState::Lost
    }
    pub fn close(&self, _: &Grant) {}
    pub fn signal(&self, _: &Shard, _: Signal) {}
    pub fn set_limits(&self, _: &Shard, _: Limits) {}
    pub fn pause_campaign(&self, _: i64) {}
    pub fn resume_campaign(&self, _: i64) {}
    pub fn drop_campaign(&self, _: i64) {}
    pub fn expired(&self) -> Vec<(Shard, Job)> {
        Vec::new()
    }
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }
}
