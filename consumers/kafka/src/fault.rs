//! What kind of trouble an error is: the one question that decides between retry, park and stop.

/// What an error means for the work in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The world is in the way (a server is down, a deadlock, a timeout); the same work can succeed later. Also
    /// every outcome that is not known. The partition waits, nothing is parked.
    Transient,
    /// These data can never be applied as things are (a constraint, a NUL byte in text). The event parks.
    Poison,
    /// The program or its configuration is wrong. It stops, loudly.
    Fatal,
}

/// An error that knows what it means.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// Retry, park or stop.
    fn fault(&self) -> Fault;
}
