//! The header fields of a response. Values are bytes: any byte but NUL may occur in them.

use http::HeaderMap;

/// Fields in the order of the response; names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self(fields)
    }

    /// The values of all fields `name`, which is in lower case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The elements of the comma-separated lists in the fields `name` (RFC 9110, section 5.6.1);
    /// empty elements are skipped.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let lists = self.all(name).map(String::from_utf8_lossy);
        let elements = lists.flat_map(|list| {
            list.split(',').map(|element| element.trim().to_owned()).collect::<Vec<_>>()
        });
        elements.filter(|element| !element.is_empty()).collect()
    }
}

impl From<&HeaderMap> for Fields {
    fn from(headers: &HeaderMap) -> Self {
        let fields = headers.iter();
        Self(fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_several_lists_are_one_list() {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let fields = Fields::new(vec![field("a", "x, y,"), field("b", "-"), field("a", " ,z ")]);
        assert_eq!(fields.elements("a"), ["x", "y", "z"]);
        assert_eq!(fields.all("a").next(), Some(&b"x, y,"[..]));
        assert!(fields.elements("c").is_empty());
    }
}
