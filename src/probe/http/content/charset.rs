//! The charset of a body: by its byte order mark, by the parameter `charset` of its type, or by its
//! own declaration in HTML and XML. Without any, and with an unknown label, it is UTF-8.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes of a body that are searched for its declaration (HTML standard, section 4.2.5.4).
const DECLARATION_LIMIT: usize = 1_024;

/// `body` in UTF-8.
pub fn to_utf8(content_type: &str, body: Vec<u8>) -> Vec<u8> {
    let label = parameter(content_type, "charset");
    // Labels as in browsers (WHATWG Encoding, section 4.2): `latin1` means windows-1252.
    let labelled = label.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes()));
    let encoding = labelled.or_else(|| declared(content_type, &body)).unwrap_or(UTF_8);
    // A byte order mark overrides the label.
    let (text, used, _) = encoding.decode(&body);
    if used == UTF_8 { body } else { text.into_owned().into_bytes() }
}

/// The parameter `name` of a media type (RFC 9110, section 8.3.1).
fn parameter<'a>(content_type: &'a str, name: &str) -> Option<&'a str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        known.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The encoding that an HTML or XML document declares.
fn declared(content_type: &str, body: &[u8]) -> Option<&'static Encoding> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let start = String::from_utf8_lossy(&body[..body.len().min(DECLARATION_LIMIT)]);
    let start = start.to_ascii_lowercase();
    let is_xml = essence.ends_with("/xml") || essence.ends_with("+xml");
    let label = match essence.as_str() {
        "text/html" => html_label(&start),
        _ if is_xml => xml_label(&start),
        _ => None,
    };
    let encoding = Encoding::for_label_no_replacement(label?.as_bytes())?;
    // The declaration was read as ASCII, so the document is not in UTF-16.
    let is_wide = [UTF_16LE, UTF_16BE].contains(&encoding);
    Some(if is_wide { UTF_8 } else { encoding })
}

/// The charset in the first element `meta` that names one; in lower case, as is `document`.
fn html_label(mut document: &str) -> Option<&str> {
    loop {
        let at = document.find('<')?;
        document = &document[at..];
        if let Some(comment) = document.strip_prefix("<!--") {
            document = &comment[comment.find("-->")?..];
            continue;
        }
        let (tag, rest) = document.split_at(document.find('>')?);
        if tag.starts_with("<meta")
            && let Some((_, value)) = tag.split_once("charset")
            && let Some(value) = value.trim_start().strip_prefix('=')
        {
            return first_word(value);
        }
        document = rest;
    }
}

/// The encoding in the XML declaration.
fn xml_label(document: &str) -> Option<&str> {
    let (declaration, _) = document.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, value) = declaration.split_once("encoding")?;
    first_word(value.trim_start().strip_prefix('=')?)
}

/// The value of an attribute, with quotes or without.
fn first_word(value: &str) -> Option<&str> {
    let value = value.trim_start().trim_start_matches(['"', '\'']).trim_start();
    value.split(['"', '\'', ';', ' ', '\t', '\r', '\n', '/', '>']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content_type: &str, body: &[u8]) -> String {
        String::from_utf8_lossy(&to_utf8(content_type, body.to_vec())).into_owned()
    }

    #[test]
    fn a_body_is_decoded_by_its_label() {
        for (content_type, body, expected) in [
            ("text/plain; charset=iso-8859-1", &b"caf\xe9"[..], "café"),
            ("text/plain;Charset=\"Latin1\" ; x=y", b"caf\xe9 \x80", "café €"),
            ("application/json; charset=windows-1251", b"\xec\xe8\xf0", "мир"),
            ("text/html; charset=GBK", b"\xc4\xe3\xba\xc3", "你好"),
            ("text/plain; charset=Shift_JIS", b"\x93\xfa\x96{", "日本"),
            ("text/plain; charset=EUC-JP", b"\xc6\xfc\xcb\xdc", "日本"),
            ("text/plain; charset=utf-16le", b"h\0i\0", "hi"),
            ("text/plain; charset=utf-16", b"\xfe\xff\0h\0i", "hi"),
            ("text/plain; charset=utf-8", b"caf\xc3\xa9", "café"),
            ("text/plain", b"caf\xc3\xa9", "café"),
            ("text/plain", b"\xff\xfeh\0i\0", "hi"),
            ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfcaf\xc3\xa9", "\u{feff}café"),
            ("text/plain; charset=x-unheard-of", b"caf\xc3\xa9", "café"),
            ("text/plain; charset=iso-2022-kr", b"abc", "abc"),
            ("text/plain; charset=", b"caf\xe9", "caf\u{fffd}"),
            ("", b"caf\xe9", "caf\u{fffd}"),
        ] {
            assert_eq!(text(content_type, body), expected, "{content_type}");
        }
    }

    #[test]
    fn html_and_xml_declare_their_charset() {
        let html = |meta: &str| {
            let page = [b"<!doctype html><html>", meta.as_bytes(), b"<p>caf\xe9"].concat();
            text("text/html", &page).ends_with("<p>café")
        };
        for meta in [
            "<meta charset=iso-8859-1>",
            "<META\nCHARSET = 'ISO-8859-1' />",
            "<meta http-equiv=content-type content=\"text/html; charset=iso-8859-1\">",
            "<!-- <meta charset=utf-8> --><meta name=x><meta charset=\"latin1\">",
        ] {
            assert!(html(meta), "{meta}");
        }
        for meta in ["", "<meta charset", "<meta charset=utf-16>", "<!-- <meta charset=latin1>"] {
            assert!(!html(meta), "{meta}");
        }
        let late = format!("{}<meta charset=latin1>", " ".repeat(1_024));
        assert!(!html(&late));
        let xml = b"<?xml version='1.0' encoding='iso-8859-1'?><a>caf\xe9</a>";
        for content_type in ["text/xml", "Application/XML", "application/rss+xml; x=y"] {
            assert!(text(content_type, xml).contains("café"), "{content_type}");
        }
        assert!(!text("text/plain", xml).contains("café"));
        let labelled = "text/xml; charset=windows-1251";
        assert!(text(labelled, xml).contains("cafй"), "the label comes first");
    }
}
