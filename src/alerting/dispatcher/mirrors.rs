//! Channels that mirror the alerts: what they are sent.

use std::collections::HashMap;
use std::rc::Rc;

use crate::alerting::mirror::{Identity, Mirror, Push};
use crate::alerting::sender::Sender;
use crate::domain::alert::engine::{Engine, Mirrored};
use crate::domain::alert::{Channel, ChannelId};

/// Bounds: [`Mirror::LIMIT`] a channel; one request a URL.
#[derive(Default)]
pub struct Mirrors {
    channels: HashMap<ChannelId, MirrorChannel>,
    /// Of the open alerts that a channel shows.
    identities: HashMap<i64, Identity>,
    /// Changes of alerts that are not stored yet.
    unsettled: Vec<Mirrored>,
}

struct MirrorChannel {
    channel: Rc<Channel>,
    mirror: Mirror,
    /// Since when each request to a URL failed, in unix milliseconds, by URL.
    failing_since_ms: Vec<Option<i64>>,
}

impl MirrorChannel {
    fn new(channel: Rc<Channel>, sender: &Sender) -> Self {
        // Without valid settings, each request fails, and says why.
        let settings = sender.alertmanager(&channel).ok();
        let urls = settings.as_ref().map_or(1, |settings| settings.endpoints.len());
        let watchdog = settings.is_some_and(|settings| settings.watchdog);
        Self { channel, mirror: Mirror::new(urls, watchdog), failing_since_ms: vec![None; urls] }
    }
}

impl Mirrors {
    /// Takes over the channels as they are defined now. Whether one of them is new or has changed,
    /// and must receive all alerts that fire.
    pub fn set_channels(
        &mut self,
        channels: &HashMap<ChannelId, Rc<Channel>>,
        sender: &Sender,
    ) -> bool {
        let mut before = std::mem::take(&mut self.channels);
        let mut is_new = false;
        for (id, channel) in channels {
            if channel.kind != "alertmanager" || !channel.enabled {
                continue;
            }
            let kept = before.remove(id).filter(|old| old.channel.options == channel.options);
            let mirror = kept.unwrap_or_else(|| {
                is_new = true;
                MirrorChannel::new(Rc::clone(channel), sender)
            });
            self.channels.insert(*id, mirror);
        }
        is_new
    }

    /// Takes changes that the settlement under way stores.
    pub fn settling(&mut self, changes: Vec<Mirrored>) {
        self.unsettled.extend(changes);
    }

    /// The changes are stored, so the alerts can be read.
    pub fn settled(&mut self, engine: &Engine) {
        for change in std::mem::take(&mut self.unsettled) {
            match change {
                Mirrored::Begins { channel_id, alert_id } => {
                    // One that has ended meanwhile is not shown.
                    let Some(alert) = engine.alert(alert_id) else { continue };
                    let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
                    let subject = &alert.subject;
                    let identity =
                        Identity::new(&subject.name, subject.group.as_deref(), alert.kind);
                    if channel.mirror.began(identity, alert_id, false) {
                        self.identities.insert(alert_id, identity);
                    }
                }
                Mirrored::Ends { alert_id, at_ms } => {
                    let Some(identity) = self.identities.remove(&alert_id) else { continue };
                    for channel in self.channels.values_mut() {
                        channel.mirror.ended(identity, at_ms);
                    }
                }
            }
        }
    }

    /// The next request that is due at `now_ms`.
    pub fn next_push(&mut self, now_ms: i64) -> Option<(Rc<Channel>, Push)> {
        self.channels.values_mut().find_map(|it| {
            let push = it.mirror.next_push(now_ms)?;
            Some((Rc::clone(&it.channel), push))
        })
    }

    /// Takes a result over. Whether the URL works, when that has changed.
    pub fn pushed(
        &mut self,
        channel: &Channel,
        push: &Push,
        works: bool,
        now_ms: i64,
    ) -> Option<bool> {
        let it = self.channels.get_mut(&channel.id)?;
        // A changed channel has a new mirror, which waits for no result.
        if it.channel.options != channel.options {
            return None;
        }
        let failing_since_ms = it.failing_since_ms.get_mut(push.url)?;
        let has_changed = failing_since_ms.is_some() == works;
        *failing_since_ms = (!works).then(|| failing_since_ms.unwrap_or(now_ms));
        it.mirror.pushed(push, works, now_ms);
        has_changed.then_some(works)
    }

    /// The channels of which every request to one URL has failed since `before_ms` or longer.
    pub fn failing(&self, before_ms: i64) -> impl Iterator<Item = ChannelId> {
        let fails = move |it: &MirrorChannel| {
            it.failing_since_ms.iter().flatten().any(|since_ms| *since_ms <= before_ms)
        };
        self.channels.values().filter(move |it| fails(it)).map(|it| it.channel.id)
    }
}
