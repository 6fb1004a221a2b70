//! Confluent framing, registry client and cache, CloudEvents headers, safe decoding.
