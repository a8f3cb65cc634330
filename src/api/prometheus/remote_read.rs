//! `read`: the samples of series, for a Prometheus with `remote_read`.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use prost::Message;

use crate::actors::messages::querying::{QueryAnswer, QueryReply, QueryWork, SampleWindow};
use crate::api::input;
use crate::api::state::Api;
use crate::api::text::SharedText;
use crate::domain::access::Caller;
use crate::promql::{Comparison, Matcher, SelectedSeries};
use crate::remote::{
    CODING, EncodedReadResponse, Label, LabelMatcher, MEDIA_TYPE, MatcherKind, Query, QueryResult,
    ReadRequest, ResponseType, Sample, TimeSeries, pack, unpack,
};

use super::body::MAX_ANSWER;
use super::envelope::{PrometheusError, PrometheusResult};
use super::queries::run;
use super::schemas::QueryErrors;

/// Bytes of an unpacked request.
const MAX_REQUEST: usize = 1 << 20;

/// Queries of one request; Prometheus sends one.
const MAX_QUERIES: usize = 100;

/// All samples that the queries of the request select, for a Prometheus with `remote_read`.
///
/// Request and response are `prometheus.ReadRequest` and `prometheus.ReadResponse` in Protocol
/// Buffers, packed by snappy.
#[utoipa::path(post, path = "/api/v1/read", tag = "queries",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf"),
    responses(
        (status = 200, description = "The samples of each query", body = Vec<u8>,
            content_type = "application/x-protobuf"),
        QueryErrors,
    ))]
pub async fn read(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let packed = input::protobuf(&request, payload, &api).await?;
    let windows = windows(&packed)?;
    let work = QueryWork::Samples { windows };
    let QueryReply { answer, kept } = run(&api, &caller, &request, work, api.query_timeout).await?;
    let QueryAnswer::Samples(results) = answer else {
        return Err(PrometheusError::internal("expected samples"));
    };
    let packed = web::block(move || {
        let packed = encoded(results, MAX_ANSWER).map(|message| pack(&message));
        drop(kept);
        packed
    });
    let packed = packed.await.map_err(|error| PrometheusError::internal(error.to_string()))?;
    let packed = packed.map_err(|TooLarge| PrometheusError::too_large(MAX_ANSWER))?;
    let packed = packed.map_err(|error| PrometheusError::internal(error.to_string()))?;
    let mut memory = None;
    api.budget.extend(&mut memory, packed.len())?;
    let packed = match memory {
        Some(memory) => SharedText::new(packed, memory).into_bytes(),
        None => packed.into(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, MEDIA_TYPE))
        .insert_header((CONTENT_ENCODING, CODING))
        .body(packed))
}

/// The windows of a packed request, one a query. Error 400: what is wrong with the request.
pub fn windows(packed: &[u8]) -> Result<Vec<SampleWindow>, PrometheusError> {
    let request: ReadRequest = unpack(packed, MAX_REQUEST)
        .map_err(|error| PrometheusError::bad_data(format!("invalid ReadRequest: {error}")))?;
    let types = &request.accepted_response_types;
    if !types.is_empty() && !types.contains(&ResponseType::Samples.into()) {
        return Err(PrometheusError::bad_data(
            "invalid ReadRequest: invalid accepted_response_types, expected SAMPLES among them",
        ));
    }
    if request.queries.len() > MAX_QUERIES {
        let message = format!("invalid ReadRequest: expected at most {MAX_QUERIES} queries");
        return Err(PrometheusError::bad_data(message));
    }
    request.queries.into_iter().map(window).collect()
}

fn window(query: Query) -> Result<SampleWindow, PrometheusError> {
    let matchers = query.matchers.into_iter().map(matcher).collect::<Result<_, _>>()?;
    let (from_ms, to_ms) = (query.start_timestamp_ms, query.end_timestamp_ms);
    Ok(SampleWindow { matchers, from_ms, to_ms })
}

fn matcher(sent: LabelMatcher) -> Result<Matcher, PrometheusError> {
    let kind = MatcherKind::try_from(sent.kind);
    let LabelMatcher { name, value, .. } = sent;
    let matcher = match kind {
        Ok(MatcherKind::Equal) => Ok(Matcher::equal(&name, &value)),
        Ok(MatcherKind::NotEqual) => Ok(Matcher { name, value, comparison: Comparison::NotEqual }),
        Ok(MatcherKind::Matches) => Matcher::pattern(&name, &value, false),
        Ok(MatcherKind::MatchesNot) => Matcher::pattern(&name, &value, true),
        Err(error) => Err(error.to_string()),
    };
    matcher.map_err(|error| PrometheusError::bad_data(format!("invalid matcher: {error}")))
}

/// The answer is larger than the limit.
#[derive(Debug, PartialEq)]
struct TooLarge;

/// A message of at most `limit` bytes. Series are dropped as soon as they are encoded.
fn encoded(
    results: Vec<Vec<SelectedSeries>>,
    limit: usize,
) -> Result<EncodedReadResponse, TooLarge> {
    let mut response = EncodedReadResponse::default();
    let mut length = 0;
    for series in results {
        let mut result = Vec::new();
        for one in series {
            // Encodings one after the other are the encoding of all.
            let one = QueryResult { timeseries: vec![time_series(one)] };
            if length + result.len() + one.encoded_len() > limit {
                return Err(TooLarge);
            }
            result.extend(one.encode_to_vec());
        }
        length += result.len();
        response.results.push(result);
    }
    Ok(response)
}

fn time_series(series: SelectedSeries) -> TimeSeries {
    let labels = series.labels.iter();
    let labels = labels.map(|(name, value)| Label { name: name.into(), value: value.into() });
    let samples = series.points.into_iter();
    let samples = samples.map(|point| Sample { value: point.value, timestamp: point.at_ms });
    TimeSeries { labels: labels.collect(), samples: samples.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{Labels, Point, STALE, is_stale};

    fn sent(kind: MatcherKind, value: &str) -> LabelMatcher {
        LabelMatcher { kind: kind.into(), name: "name".to_owned(), value: value.to_owned() }
    }

    fn request(matchers: Vec<LabelMatcher>, accepted: &[ResponseType]) -> Vec<u8> {
        let query = Query { start_timestamp_ms: -5, end_timestamp_ms: 7, matchers };
        let accepted_response_types = accepted.iter().map(|one| i32::from(*one)).collect();
        pack(&ReadRequest { queries: vec![query], accepted_response_types }).unwrap()
    }

    #[test]
    fn a_request_selects_by_its_matchers() {
        use MatcherKind::{Equal, Matches, MatchesNot, NotEqual};
        for (kind, value, matching) in [
            (Equal, "shop", &["shop"][..]),
            (NotEqual, "shop", &["", "shopping"]),
            (Matches, "shop.*", &["shop", "shopping"]),
            (MatchesNot, "|shop", &["shopping"]),
        ] {
            let window = windows(&request(vec![sent(kind, value)], &[])).unwrap().remove(0);
            assert_eq!((window.from_ms, window.to_ms), (-5, 7));
            let found = ["", "shop", "shopping"].into_iter();
            let found = found.filter(|name| window.matchers[0].matches(name));
            assert_eq!(found.collect::<Vec<_>>(), matching, "{kind:?} {value}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        use ResponseType::{Samples, StreamedXorChunks};
        let equal = || vec![sent(MatcherKind::Equal, "shop")];
        assert!(windows(&request(equal(), &[StreamedXorChunks, Samples])).is_ok());
        let unknown = vec![LabelMatcher { kind: 9, ..LabelMatcher::default() }];
        let queries = vec![Query::default(); MAX_QUERIES + 1];
        let many = pack(&ReadRequest { queries, ..ReadRequest::default() }).unwrap();
        for (packed, part) in [
            (request(equal(), &[StreamedXorChunks]), "expected SAMPLES among them"),
            (request(vec![sent(MatcherKind::Matches, "(")], &[]), "invalid regular expression"),
            (request(unknown, &[]), "invalid matcher"),
            (many, "at most 100 queries"),
            (b"text".to_vec(), "invalid ReadRequest"),
        ] {
            let error = windows(&packed).unwrap_err().to_string();
            assert!(error.starts_with("bad_data") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_answer_has_every_sample_and_is_bounded() {
        let series = |name: &str, value: f64| SelectedSeries {
            labels: Labels::new([("__name__", "up"), ("name", name)]),
            lookback_ms: 0,
            points: vec![Point { at_ms: 1, value: 0.5 }, Point { at_ms: 2, value }],
        };
        let results =
            || vec![vec![series("a", STALE), series("b", 1.0)], Vec::new(), vec![series("c", 2.0)]];
        let response = encoded(results(), MAX_ANSWER).unwrap();
        let decoded = response.results.iter().map(|one| QueryResult::decode(&**one).unwrap());
        let decoded: Vec<Vec<TimeSeries>> = decoded.map(|one| one.timeseries).collect();
        assert_eq!(decoded.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
        let first = &decoded[0][0];
        let label = |name: &str, value: &str| Label { name: name.into(), value: value.into() };
        assert_eq!(first.labels, [label("__name__", "up"), label("name", "a")]);
        assert_eq!(first.samples[0], Sample { value: 0.5, timestamp: 1 });
        assert!(is_stale(first.samples[1].value), "the end of a series is not any NaN");
        let length = response.results.iter().map(Vec::len).sum::<usize>();
        assert!(encoded(results(), length).is_ok());
        assert_eq!(encoded(results(), length - 1), Err(TooLarge));
    }
}
