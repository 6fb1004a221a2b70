//! Decimal texts to whole numbers of a smaller unit, exactly.

/// `text` × 10^`shift` as a whole number, rounded half-even.
///
/// `text` is a decimal number as JSON, CSV and SQL write it: sign, digits, fraction, exponent.
pub(crate) fn scaled(text: &str, shift: i64) -> Result<i64, String> {
    let no_number = || "is no decimal number".to_owned();
    let (negative, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent_digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || mantissa.ends_with('.') || !all_digits(&digits) || !all_digits(exponent_digits) {
        return Err(no_number());
    }
    // An exponent beyond this is out of every range, one way or the other.
    let exponent =
        exponent.parse::<i32>().unwrap_or(if exponent.starts_with('-') { i32::MIN } else { i32::MAX });
    let shift = shift + i64::from(exponent) - i64::try_from(fraction.len()).map_err(|_| no_number())?;

    let digits = digits.trim_start_matches('0');
    let magnitude = magnitude(digits, shift).ok_or("is out of range")?;
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| "is out of range".to_owned())
}

/// `digits` × 10^`shift`, ties to even; `None` when it is far too large.
fn magnitude(digits: &str, shift: i64) -> Option<i128> {
    const DIGITS_MAX: usize = 30;
    if digits.is_empty() {
        return Some(0);
    }
    if let Ok(zeros) = usize::try_from(shift) {
        let fits = zeros.checked_add(digits.len()).is_some_and(|length| length <= DIGITS_MAX);
        return fits.then(|| format!("{digits}{:0<zeros$}", "")).and_then(|text| text.parse().ok());
    }
    let Some(kept) = usize::try_from(shift.unsigned_abs()).ok().and_then(|cut| digits.len().checked_sub(cut))
    else {
        return Some(0); // less than a tenth
    };
    let (kept, rest) = digits.split_at(kept);
    if kept.len() > DIGITS_MAX {
        return None;
    }
    let floor: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let up = match rest.as_bytes() {
        [] => false,
        [b'5', zeros @ ..] if zeros.iter().all(|digit| *digit == b'0') => floor % 2 == 1,
        [first, ..] => *first >= b'5',
    };
    Some(floor + i128::from(up))
}

/// `text` as a whole number; a fraction or an exponent is none.
pub(crate) fn whole(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is no whole number".to_owned());
    }
    text.parse().map_err(|_| "is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> Result<i64, String> {
        scaled(text, 9)
    }

    #[test]
    fn decimals_are_exact_and_what_is_finer_goes_to_the_even_neighbour() {
        for (text, expected) in [
            ("0", 0),
            ("3.0", 3_000_000_000),
            ("-0.25", -250_000_000),
            ("0.3817132000000001", 381_713_200),
            ("5e-05", 50_000),
            ("1.5E+1", 15_000_000_000),
            ("0.0000000005", 0),
            ("0.0000000015", 2),
            ("0.0000000025", 2),
            ("0.00000000251", 3),
            ("1e-400", 0),
            ("9223372036.854775807", i64::MAX),
            ("0000000000000000000000000000000000000000001", 1_000_000_000),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-", ".5", "1.", "1,5", "0x10", "NaN", "Infinity", "1e", "1e+", "--1", "1 ", "１"] {
            assert_eq!(nanos(text).unwrap_err(), "is no decimal number", "{text:?}");
        }
        for text in ["9223372036.854775808", "1e400", "1e99999999999999999999", "1e2147483647"] {
            assert_eq!(nanos(text).unwrap_err(), "is out of range", "{text:?}");
        }
        assert!(whole("1.0").is_err() && whole("1e3").is_err() && whole("+1").is_err());
        assert_eq!((whole("-9"), whole("9007199254740993")), (Ok(-9), Ok(9_007_199_254_740_993)));
    }

    proptest! {
        #[test]
        fn amounts_with_nine_decimals_are_exact(exact: i64) {
            let (sign, exact_abs) = (if exact < 0 { "-" } else { "" }, exact.unsigned_abs());
            let text = format!("{sign}{}.{:09}", exact_abs / 1_000_000_000, exact_abs % 1_000_000_000);
            prop_assert_eq!(nanos(&text), Ok(exact));
        }

        #[test]
        fn finer_amounts_are_off_by_half_at_most(whole in 0_i64..1_000_000, fine in 0_i64..1_000_000_000_000) {
            let picos = i128::from(whole) * 1_000_000_000_000 + i128::from(fine);
            let rounded = i128::from(nanos(&format!("{whole}.{fine:012}")).unwrap()) * 1000;
            prop_assert!((rounded - picos).abs() <= 500);
        }

        #[test]
        fn where_the_point_stands_does_not_matter(digits in 1_i64..1_000_000_000, places in 0_usize..9) {
            prop_assert_eq!(nanos(&format!("{digits}e-{places}")), scaled(&digits.to_string(), 9 - places as i64));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, shift in -20_i64..20) {
            drop((scaled(&text, shift), whole(&text)));
        }
    }
}
