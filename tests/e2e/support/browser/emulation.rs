//! Emulates settings of the visitor's system: colours, motion, time zone.

use serde_json::json;

use super::Browser;

/// The colours that the visitor's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Browser {
    #[track_caller]
    pub fn emulate_scheme(&self, scheme: Scheme) {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        self.emulate_feature("prefers-color-scheme", value);
    }

    /// Colours of the system instead of those of the page.
    #[track_caller]
    pub fn emulate_forced_colours(&self) {
        self.emulate_feature("forced-colors", "active");
    }

    /// Colours with more contrast.
    #[track_caller]
    pub fn emulate_high_contrast(&self) {
        self.emulate_feature("prefers-contrast", "more");
    }

    /// A dark system that prints the page; until another setting is emulated.
    #[track_caller]
    pub fn emulate_print(&self) {
        self.emulate("print", "prefers-color-scheme", "dark");
    }

    #[track_caller]
    fn emulate_feature(&self, name: &str, value: &str) {
        self.emulate("", name, value);
    }

    #[track_caller]
    fn emulate(&self, media: &str, name: &str, value: &str) {
        // Without motion, colours change at once, so that contrast is measured of the last ones.
        let features = [(name, value), ("prefers-reduced-motion", "reduce")];
        let features = features.map(|(name, value)| json!({"name": name, "value": value}));
        let parameters = json!({"media": media, "features": features});
        self.session.devtools("Emulation.setEmulatedMedia", parameters);
    }

    /// The zone of the visitor, for pages that are opened from now on.
    #[track_caller]
    pub fn emulate_time_zone(&self, zone: &str) {
        self.session.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": zone}));
    }

    /// The size of the page in CSS pixels, as on a telephone: narrower than a window can be.
    #[track_caller]
    pub fn emulate_size(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.session.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Runs `journey` with pages whose scripts do not run, but for those of the tests.
    pub fn without_scripts(&self, journey: impl FnOnce()) {
        self.set_scripts_disabled(true);
        journey();
        self.set_scripts_disabled(false);
    }

    fn set_scripts_disabled(&self, is_disabled: bool) {
        let value = json!({"value": is_disabled});
        self.session.devtools("Emulation.setScriptExecutionDisabled", value);
    }
}
