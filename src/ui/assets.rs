//! Files of the pages: embedded, named by the hash of their bytes, and packed once.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// An embedded file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    /// Path in the server; another one for other bytes, so that browsers may store it for ever.
    pub path: String,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
    /// `bytes` as gzip.
    pub packed: Vec<u8>,
}

/// Name, media type and text.
const FILES: [(&str, &str, &str); 7] = [
    ("app.css", "text/css; charset=utf-8", include_str!("assets/app.css")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("assets/live.js")),
    ("time.js", "text/javascript; charset=utf-8", include_str!("assets/time.js")),
    ("chart.js", "text/javascript; charset=utf-8", include_str!("assets/chart.js")),
    ("icons.svg", "image/svg+xml", include_str!("assets/icons.svg")),
    ("favicon.svg", "image/svg+xml", include_str!("assets/favicon.svg")),
    ("favicon-down.svg", "image/svg+xml", include_str!("assets/favicon-down.svg")),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.map(Asset::new).into());

impl Asset {
    fn new((name, content_type, text): (&'static str, &'static str, &'static str)) -> Self {
        let bytes = without_comments(text).into_bytes();
        let digest = Sha256::digest(&bytes);
        let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let path = match name.rsplit_once('.') {
            Some((stem, ending)) => format!("/assets/{stem}.{hash}.{ending}"),
            None => format!("/assets/{name}.{hash}"),
        };
        let packed = pack(&bytes);
        Self { name, path, content_type, bytes, packed }
    }
}

/// `text` without indentation, and without lines that are only a comment.
fn without_comments(text: &str) -> String {
    let is_comment =
        |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !is_comment(line));
    lines.map(|line| format!("{line}\n")).collect()
}

/// `bytes` as gzip; empty when packing fails, which it does not in memory.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// The path of the file with this name.
pub fn url(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.path.as_str())
}

/// The file at this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(names: &[&str]) -> usize {
        let assets = ASSETS.iter().filter(|asset| names.contains(&asset.name));
        assets.map(|asset| asset.packed.len()).sum()
    }

    #[test]
    fn a_file_is_found_by_its_hash_only() {
        for (name, _, _) in FILES {
            let asset = find(url(name)).unwrap();
            assert_eq!((asset.name, asset.path.as_str()), (name, url(name)));
            assert!(!asset.packed.is_empty() && asset.packed.len() < asset.bytes.len());
        }
        assert!(url("app.css").starts_with("/assets/app.") && url("app.css").ends_with(".css"));
        assert!(find("/assets/app.css").is_none() && url("other.css").is_empty());
    }

    #[test]
    fn files_are_small() {
        let (css, modules) = (packed(&["app.css"]), packed(&["live.js", "time.js", "chart.js"]));
        assert!(css <= 6 * 1024, "stylesheet: {css}");
        assert!(modules <= 5 * 1024, "modules: {modules}");
    }

    #[test]
    fn comments_are_left_out() {
        let lean = without_comments("// a\nlet x = 1; // b\n\n  /* c */\n  x /* d */\n");
        assert_eq!(lean, "let x = 1; // b\nx /* d */\n");
    }

    #[test]
    fn nothing_comes_from_another_host() {
        for (name, _, text) in FILES {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
            assert!(!text.contains("eval(") && !text.contains("new Function"), "{name}");
        }
    }

    #[test]
    fn every_icon_that_a_state_names_exists() {
        let icons = include_str!("assets/icons.svg");
        for state in crate::domain::shown_state::ShownState::ALL {
            assert!(icons.contains(&format!("id=\"{}\"", state.icon())), "{state:?}");
        }
    }
}
