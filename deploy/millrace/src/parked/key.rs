//! Keys as they are shown, read back.

use kafka::ParkKey;

/// Reads a key as it is shown: text, with `\xff` for bytes that are none.
pub(crate) fn read(shown: &str) -> Result<ParkKey, String> {
    let (mut bytes, mut rest) = (Vec::new(), shown.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or("\\x wants two hex digits");
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|error| error.to_string())?);
                tail
            }
            (b'\\', [b'n', tail @ ..]) => with(&mut bytes, b'\n', tail),
            (b'\\', [b'r', tail @ ..]) => with(&mut bytes, b'\r', tail),
            (b'\\', [b't', tail @ ..]) => with(&mut bytes, b'\t', tail),
            (b'\\', [escaped @ (b'\\' | b'\'' | b'"'), tail @ ..]) => with(&mut bytes, *escaped, tail),
            (byte, tail) => with(&mut bytes, *byte, tail),
        };
    }
    Ok(ParkKey::from_stored(bytes))
}

fn with<'a>(bytes: &mut Vec<u8>, byte: u8, rest: &'a [u8]) -> &'a [u8] {
    bytes.push(byte);
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_as_it_is_shown(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stored = ParkKey::from_stored(bytes);
            prop_assert_eq!(read(&stored.to_string()).unwrap(), stored);
        }
    }
}
