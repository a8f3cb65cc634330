//! The words for changes and for what they change.

/// An enum whose variants have words in the store and in the API.
macro_rules! words {
    ($(#[$attribute:meta])* $name:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($variant),*
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What a change does.
    Action {
        ServiceCreate => "service.create",
        ServiceUpdate => "service.update",
        ServiceDelete => "service.delete",
        FileApply => "file.apply",
        ChannelCreate => "channel.create",
        ChannelUpdate => "channel.update",
        ChannelDelete => "channel.delete",
        ChannelTest => "channel.test",
        PolicyCreate => "policy.create",
        PolicyUpdate => "policy.update",
        PolicyDelete => "policy.delete",
        SilenceCreate => "silence.create",
        SilenceUpdate => "silence.update",
        SilenceDelete => "silence.delete",
        MaintenanceCreate => "maintenance.create",
        MaintenanceUpdate => "maintenance.update",
        MaintenanceDelete => "maintenance.delete",
        AlertAcknowledge => "alert.acknowledge",
        AlertUnacknowledge => "alert.unacknowledge",
        DeliveryRetry => "delivery.retry",
        TokenCreate => "token.create",
        TokenRevoke => "token.revoke",
        SessionCreate => "session.create",
        Import => "import",
        Restore => "restore",
        Move => "move",
    }
}

words! {
    /// What a change is about.
    ObjectKind {
        Service => "service",
        Channel => "channel",
        Policy => "policy",
        Silence => "silence",
        Maintenance => "maintenance",
        Alert => "alert",
        Delivery => "delivery",
        Token => "token",
        Session => "session",
        Store => "store",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_for_one_action() {
        for action in Action::ALL {
            assert_eq!(Action::from_word(action.as_str()), Some(*action));
        }
        assert_eq!(Action::from_word("service"), None);
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::from_word(kind.as_str()), Some(*kind));
        }
    }
}
