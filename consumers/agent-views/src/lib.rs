//! Views of the reference domain; pure.
