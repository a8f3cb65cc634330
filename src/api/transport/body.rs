//! The body of a response, in slices.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use crate::api::transport::connections::OpenRequest;

/// Bytes of a response that a connection copies at once. actix-http copies each part of a body into
/// its write buffer; a whole body would be copied for each client.
pub const SLICE: usize = 16 * 1024;

/// The body of a response. Texts are shared and sent in slices of [`SLICE`].
pub struct Body {
    content: Content,
    /// The request ends with its body.
    _request: Option<OpenRequest>,
}

enum Content {
    Text(Bytes),
    Other(BoxBody),
}

impl Body {
    pub fn new(body: impl MessageBody + 'static, request: Option<OpenRequest>) -> Self {
        let content = match body.try_into_bytes() {
            Ok(text) => Content::Text(text),
            Err(body) => Content::Other(BoxBody::new(body)),
        };
        Self { content, _request: request }
    }
}

impl MessageBody for Body {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Text(text) => BodySize::Sized(text.len() as u64),
            Content::Other(body) => body.size(),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.content {
            Content::Text(text) if text.is_empty() => Poll::Ready(None),
            Content::Text(text) => {
                let slice = text.split_to(text.len().min(SLICE));
                Poll::Ready(Some(Ok::<_, Infallible>(slice).map_err(Into::into)))
            }
            Content::Other(body) => Pin::new(body).poll_next(context).map_err(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[actix_web::test]
    async fn a_text_is_sent_in_slices_that_share_it() {
        let text = Bytes::from(vec![b'x'; 2 * SLICE + 7]);
        let mut body = Body::new(text.clone(), None);
        assert_eq!(body.size(), BodySize::Sized(2 * SLICE as u64 + 7));
        let mut lengths = Vec::new();
        while let Some(slice) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            let slice = slice.unwrap();
            assert_eq!(slice.as_ptr(), text[lengths.iter().sum()..].as_ptr(), "shared");
            lengths.push(slice.len());
        }
        assert_eq!(lengths, [SLICE, SLICE, 7]);
    }
}
