//! The scripts, and calls of them.

use redis::{Arg, Cmd, Script, ToRedisArgs};

/// The scripts of this crate, each with its digest.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) claim: Code,
    pub(crate) load: Code,
    pub(crate) flush: Code,
    pub(crate) expire: Code,
    pub(crate) hold: Code,
    pub(crate) relocate: Code,
    pub(crate) switch: Code,
    pub(crate) sums: Code,
}

/// A script: its text, and the digest that Redis knows it by.
#[derive(Debug)]
pub(crate) struct Code {
    text: &'static str,
    digest: String,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            claim: Code::new(include_str!("../scripts/claim.lua")),
            load: Code::new(include_str!("../scripts/load.lua")),
            flush: Code::new(include_str!("../scripts/flush.lua")),
            expire: Code::new(include_str!("../scripts/expire.lua")),
            hold: Code::new(include_str!("../scripts/hold.lua")),
            relocate: Code::new(include_str!("../scripts/move.lua")),
            switch: Code::new(include_str!("../scripts/switch.lua")),
            sums: Code::new(include_str!("../scripts/sums.lua")),
        }
    }
}

impl Code {
    fn new(text: &'static str) -> Self {
        Self { text, digest: Script::new(text).get_hash().to_owned() }
    }

    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// A call with its keys; arguments follow by [`Cmd::arg`].
    pub(crate) fn call<K: ToRedisArgs>(&self, keys: &[K]) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.digest).arg(keys.len());
        for key in keys {
            call.arg(key);
        }
        call
    }

    /// The same call, which brings the script along.
    pub(crate) fn with_text(&self, call: &Cmd) -> Cmd {
        let mut with_text = redis::cmd("EVAL");
        with_text.arg(self.text);
        for argument in call.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                with_text.arg(bytes);
            }
        }
        with_text
    }
}
