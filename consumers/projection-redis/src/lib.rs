//! Redis views: one gated script per partition, the offset last.
