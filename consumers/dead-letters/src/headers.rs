//! Headers as two arrays of bytes: names may be anything, values may be null, order and repetition are kept.

use kafka::Header;

/// Names and values, in order.
pub(crate) fn split(headers: &[Header]) -> (Vec<&[u8]>, Vec<Option<&[u8]>>) {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).unzip()
}

/// The headers again.
pub(crate) fn join(names: Vec<Vec<u8>>, values: Vec<Option<Vec<u8>>>) -> Vec<Header> {
    let name = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    names.into_iter().map(name).zip(values).collect()
}
