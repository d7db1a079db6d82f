//! Tests of the lanes, by topic. Those of whole emitters with threads are in `core/tests/lanes/`.

mod control;
mod model;
mod queue;
mod rig;
