//! Who owns a partition and how far it got: epochs and offsets, in the sink.
