//! The headers of a record.

use std::fmt;

/// Names and values in their order. A name may occur twice, a value may be null. All of them lie in one piece of memory: a record
/// has a dozen, and records come by the hundred thousand a second.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Box<[u8]>);

/// Stands for the length of a value that is null.
const NULL: u32 = u32::MAX;

/// What a dozen headers take, about.
const USUAL: usize = 512;

impl Headers {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.bytes()
            .map(|(name, value)| (std::str::from_utf8(name).expect("only texts are taken for names"), value))
    }

    /// The same, for whoever needs no text for a name.
    pub fn bytes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut left = &*self.0;
        std::iter::from_fn(move || {
            let name = length(&mut left)?;
            let name = left.split_off(..name as usize)?;
            let value = match length(&mut left)? {
                NULL => None,
                length => Some(left.split_off(..length as usize)?),
            };
            Some((name, value))
        })
    }

    /// The value of the last header of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.bytes().filter(|(found, _)| *found == name.as_bytes()).last()?.1
    }

    /// What they take, in bytes.
    pub fn weight(&self) -> usize {
        self.0.len()
    }
}

fn length(left: &mut &[u8]) -> Option<u32> {
    let (length, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(u32::from_le_bytes(*length))
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, Option<V>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, Option<V>)>>(headers: I) -> Self {
        let mut all = Vec::with_capacity(USUAL);
        let put_length = |all: &mut Vec<u8>, length: u32| all.extend_from_slice(&length.to_le_bytes());
        let put = |all: &mut Vec<u8>, bytes: &[u8]| {
            // librdkafka's own lengths are no wider.
            put_length(all, u32::try_from(bytes.len()).expect("a record is shorter than 4 GiB"));
            all.extend_from_slice(bytes);
        };
        for (name, value) in headers {
            put(&mut all, name.as_ref().as_bytes());
            match value {
                Some(value) => put(&mut all, value.as_ref()),
                None => put_length(&mut all, NULL),
            }
        }
        Self(all.into_boxed_slice())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(given: Vec<(String, Option<Vec<u8>>)>) {
            let headers: Headers = given.iter().map(|(name, value)| (name, value.as_ref())).collect();
            let found: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&found, &given);
            for (name, _) in &given {
                let last = given.iter().rev().find(|(other, _)| other == name).and_then(|(_, value)| value.as_deref());
                prop_assert_eq!(headers.get(name), last);
            }
        }
    }
}
