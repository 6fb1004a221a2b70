//! A beat finer than the runtime's timer, which rounds up to the next millisecond.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits until moments of the caller's choice, to some ten microseconds.
#[derive(Debug)]
pub(crate) struct Metronome(AsyncFd<Timer>);

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Metronome {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may change; this one's does not"
    )]
    pub(crate) fn new() -> anyhow::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC);
        let timer = timer.context("failed to make a timer")?;
        Ok(Self(AsyncFd::with_interest(Timer(timer), Interest::READABLE)?))
    }

    /// Returns at `due`, or at once if that has passed.
    pub(crate) async fn until(&self, due: Instant) -> anyhow::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Expiration::OneShot(TimeSpec::from(left.max(Duration::from_micros(1))));
        self.0.get_ref().0.set(once, TimerSetTimeFlags::empty())?;
        let mut rung = self.0.readable().await?;
        // Reading is what makes the timer silent again; there is nothing to read that we do not know.
        self.0.get_ref().0.wait()?;
        rung.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moment_is_not_early_and_one_that_has_passed_is_not_waited_for() {
        let metronome = Metronome::new().unwrap();
        for wait in [Duration::from_micros(300), Duration::from_millis(2), Duration::ZERO] {
            let due = Instant::now() + wait;
            metronome.until(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
        metronome.until(Instant::now() - Duration::from_secs(1)).await.unwrap();
    }
}
