//! Headers as two arrays of bytes: names may be anything, values may be null, order and repetition are kept.

use kafka::Headers;

/// Names and values, in order.
pub(crate) fn split(headers: &Headers) -> (Vec<&[u8]>, Vec<Option<&[u8]>>) {
    headers.bytes().unzip()
}

/// The headers again.
pub(crate) fn join(names: &[Vec<u8>], values: &[Option<Vec<u8>>]) -> Headers {
    let names = names.iter().map(|bytes| String::from_utf8_lossy(bytes));
    names.zip(values.iter().map(Option::as_deref)).collect()
}
