//! LOCAL STUB
use crate::domain::alert::{Attempt, Channel, Message};
use serde_json::{Map, Value};
#[derive(Clone)]
pub struct SenderRules {}
pub struct Sender {}
impl Sender {
    pub fn new(_: SenderRules) -> Self {
        Self {}
    }
    pub async fn send(&self, _: &Channel, _: &Map<String, Value>, _: &Message) -> Attempt {
        Attempt::Delivered { http_status: None, reference: None }
    }
}
