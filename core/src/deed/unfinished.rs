//! What the processes before this one did not finish.

use crate::emitter::Emitter;
use crate::error::Result;
use crate::event::UnfinishedDeed;
use crate::event::deeds::unfinished;
use crate::json::Value;

impl Emitter {
    /// The deeds of processes before this one that have an intent and no result, the oldest first: what the journals hold
    /// that this process took over when its durable lanes were opened. Whether such an act was done, only the world
    /// outside can tell; sinkwell never repeats one. Empty where no lane is durable.
    ///
    /// # Errors
    /// Those of opening the emitter, in a forked child whose first call this is.
    ///
    /// ```
    /// # fn main() -> sinkwell::Result<()> {
    /// # let config = r#"{"agent":{"id":"a"},"lanes":["memory"]}"#.to_owned();
    /// # let config = sinkwell::config::Config::load(
    /// #     sinkwell::config::Source::Mapping(config), &sinkwell::seam::SystemEnv::default())?;
    /// # let emitter = sinkwell::Emitter::open(sinkwell::Options::new(config))?;
    /// for deed in emitter.unfinished()? {
    ///     eprintln!("{} of {} was begun at {}", deed.event_type, deed.agentid, deed.time);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn unfinished(&self) -> Result<Vec<UnfinishedDeed>> {
        Ok(unfinished(&self.deeds_before()?))
    }

    /// As [`unfinished`](Self::unfinished), for bindings: the list that `sinkwell deeds --format json` has under
    /// `unfinished`.
    ///
    /// # Errors
    /// As [`unfinished`](Self::unfinished).
    pub fn unfinished_json(&self) -> Result<Vec<u8>> {
        let found = self.unfinished()?;
        Ok(Value::Array(found.iter().map(UnfinishedDeed::to_json).collect()).to_json().into_bytes())
    }
}
