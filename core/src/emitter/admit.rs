//! Admission: an event enters all blocking lanes or none.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Attempt, Inner, Wait, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lane::{After, Aim, Fresh, Gate, Lane, LaneCore, LaneSet, Route, Shapable, Shaping, Tracked};
use crate::receipt::Receipt;
use crate::reentry;
use crate::sync::{MutexGuard, RwLockReadGuard};

/// What became of an event that was offered.
enum Offered {
    In(Arc<Tracked>),
    /// Not yet: the caller may wait so long, elsewhere.
    NoRoom(Duration),
}

/// Held by whoever lets an event into its lanes.
type Passed<'a> = RwLockReadGuard<'a, Gate>;

/// What became of an event that was offered to blocking lanes.
enum Entered<'a> {
    By(Passed<'a>),
    NoRoom(Duration),
}

impl Inner {
    /// Offers an event to every lane that policies and `aim` do not keep it out of.
    ///
    /// # Errors
    /// `backpressure`, `invalid_event` (larger than a blocking lane), `closed`: it is in no lane.
    pub(super) fn admit(&self, event: Fresh, waiter: &dyn Waiter, aim: Option<&Aim<'_>>) -> Result<Attempt> {
        let gate = self.pass()?;
        let lanes = Arc::clone(&gate.set.lanes);
        let tracked = if gate.set.blocking.is_empty() {
            admit_at_once(gate, event, 1, aim)
        } else {
            match self.admit_waiting(gate, event, 1, waiter, aim)? {
                Offered::In(tracked) => tracked,
                Offered::NoRoom(limit) => return Ok(Attempt::NoRoom(limit)),
            }
        };
        Ok(Attempt::Accepted(Receipt::first(tracked, lanes)))
    }

    /// As [`admit`](Self::admit), for whoever wants no receipt; answers how long the caller may wait for room, if the event is
    /// in no lane for want of it.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(super) fn admit_unwatched(&self, event: Fresh, waiter: &dyn Waiter) -> Result<Option<Duration>> {
        let gate = self.pass()?;
        if gate.set.blocking.is_empty() {
            admit_at_once(gate, event, 0, None);
            return Ok(None);
        }
        Ok(match self.admit_waiting(gate, event, 0, waiter, None)? {
            Offered::In(_) => None,
            Offered::NoRoom(limit) => Some(limit),
        })
    }

    /// The gate, which a shutdown closes. Held while an event enters its lanes, never while waiting: a shutdown finds it in
    /// all of them or in none.
    #[inline]
    fn pass(&self) -> Result<Passed<'_>> {
        self.bus.enter().inspect_err(|_| self.refuse())
    }

    /// Where a lane may block.
    fn admit_waiting(
        &self,
        gate: Passed<'_>,
        event: Fresh,
        receipts: u32,
        waiter: &dyn Waiter,
        aim: Option<&Aim<'_>>,
    ) -> Result<Offered> {
        // While the caller waits, lanes may come and policies change; for this event they are what they were.
        let set = Arc::clone(&gate.set);
        let route = Routed::of(&event, &set);
        let aimed = Aimed::of(aim, &set, route.as_ref());
        let way = Way { set: &set, route: route.as_ref(), aimed: aimed.as_ref() };
        let [blocking, _] = way.lanes();
        could_enter(&set, blocking, &event)?;
        let tracked = way.track(event, receipts, aim);
        let mut after = After::default();
        let gate = if blocking.is_empty() {
            gate
        } else {
            match self.enter_blocking(gate, &set, blocking, &tracked, waiter, &mut after)? {
                Entered::By(gate) => gate,
                Entered::NoRoom(limit) => return Ok(Offered::NoRoom(limit)),
            }
        };
        way.offer(&tracked, &mut after);
        drop(gate);
        after.run(&set.lanes);
        Ok(Offered::In(tracked))
    }

    /// Lets an event into all of these lanes, which block, once all of them have room.
    fn enter_blocking<'a>(
        &'a self,
        gate: Passed<'a>,
        set: &LaneSet,
        blocking: &[usize],
        tracked: &Arc<Tracked>,
        waiter: &dyn Waiter,
        after: &mut After,
    ) -> Result<Entered<'a>> {
        let (cost, terminal) = (tracked.event.cost(), tracked.event.terminal);
        let mut inside = reentry::is_inside();
        let mut may_wait = None;
        let mut deadline = None;
        let mut passed = Some(gate);
        loop {
            let gate = match passed.take() {
                Some(gate) => gate,
                None => self.pass()?,
            };
            // Locked in one order by everybody, and held together only while pushing.
            let mut guards: Guards<'_> = Guards::default();
            let mut lacking: Option<usize> = None;
            for &i in blocking {
                let core = set.lanes[i].lock();
                if core.has_ended() {
                    self.refuse();
                    return Err(Error::internal("the lane's own thread has failed; please report")
                        .at(set.lanes[i].id()));
                }
                if lacking.is_none() && !set.lanes[i].has_room(&core, cost, terminal) {
                    lacking = Some(i);
                }
                guards.push(core);
            }
            let Some(lacking) = lacking.filter(|_| !inside) else {
                for (&i, core) in blocking.iter().zip(guards.iter_mut()) {
                    tracked.admitted(i, set.lanes[i].offer(core, tracked, after));
                }
                return Ok(Entered::By(gate));
            };
            let without_room: Vec<usize> = blocking
                .iter()
                .zip(guards.iter_mut())
                .filter(|(i, core)| !set.lanes[**i].has_room(core, cost, terminal))
                .map(|(i, _)| *i)
                .collect();
            for (_, core) in blocking.iter().zip(guards.iter_mut()).filter(|(i, _)| **i == lacking) {
                core.want(cost, terminal);
            }
            drop(guards);
            drop(gate);
            let now = self.freezer.timeline.now();
            let limit = without_room.iter().map(|&i| now.after(set.lanes[i].config.block_timeout)).min();
            let most = now.after(waiter.at_most());
            let until = *deadline.get_or_insert(limit.unwrap_or(now).min(most));
            let until = limit.map_or(until, |limit| until.min(limit));
            deadline = Some(until);
            let lane = &set.lanes[lacking];
            let wait = *may_wait.get_or_insert_with(|| waiter.may_wait());
            if wait == Wait::Inside {
                inside = true;
                continue;
            }
            if let Wait::Elsewhere(waited) = wait
                && let Some(limit) = without_room_limit(&set.lanes, &without_room)
                && let limit = limit.min(waiter.at_most())
                && waited < limit
            {
                let mut core = lane.lock();
                if lane.has_room(&core, cost, terminal) || core.is_closing() {
                    continue;
                }
                let over = lane.wait_for_room(&mut core, now.after(limit - waited), waiter.when_room());
                drop(core);
                over.run();
                return Ok(Entered::NoRoom(limit));
            }
            if wait != Wait::Allowed || now >= until {
                self.refuse();
                let over = lane.given_up(&mut lane.lock());
                over.run();
                lane.hurry();
                return Err(backpressure(lane, wait, waiter.at_most()));
            }
            waiter.pause(&mut || {
                let core = lane.lock();
                if !lane.has_room(&core, cost, terminal) && !core.is_closing() {
                    drop(lane.wait_room(core, until.since(now)));
                }
            });
        }
    }

    /// See [`super::Emitter::on_room`].
    pub(super) fn on_room(&self, done: Box<dyn FnOnce() + Send>) {
        let set = self.bus.set();
        for &i in &set.blocking {
            let mut core = set.lanes[i].lock();
            // Whether the event that was last turned away would fit now. The caller tries again and learns about its
            // own event.
            let (cost, terminal) = core.wanted();
            if !set.lanes[i].has_room(&core, cost, terminal) && !core.has_ended() && !core.is_closing() {
                let until = set.lanes[i].now().after(set.lanes[i].config.block_timeout);
                let over = set.lanes[i].wait_for_room(&mut core, until, Some(done));
                drop(core);
                over.run();
                return;
            }
        }
        done();
    }
}

/// Lets an event into its lanes where none of them blocks.
#[inline]
fn admit_at_once(gate: Passed<'_>, event: Fresh, receipts: u32, aim: Option<&Aim<'_>>) -> Arc<Tracked> {
    let set = &*gate.set;
    let route = Routed::of(&event, set);
    let aimed = Aimed::of(aim, set, route.as_ref());
    let way = Way { set, route: route.as_ref(), aimed: aimed.as_ref() };
    let tracked = way.track(event, receipts, aim);
    let mut after = After::default();
    way.offer(&tracked, &mut after);
    drop(route);
    if after.is_empty() {
        drop(gate);
    } else {
        let lanes = Arc::clone(&gate.set.lanes);
        drop(gate);
        after.run(&lanes);
    }
    tracked
}

/// Indices of lanes.
type Lanes = SmallVec<[usize; 8]>;

impl Aim<'_> {
    /// Those of these lanes that the event is aimed at.
    fn at(&self, lanes: &[usize]) -> impl Iterator<Item = usize> {
        lanes.iter().copied().filter(|&lane| (self.lanes)(lane))
    }
}

/// The lanes that an event is for. What is large lies with the caller, so that it is never moved.
struct Way<'a> {
    set: &'a LaneSet,
    route: Option<&'a Routed<'a>>,
    aimed: Option<&'a Aimed>,
}

/// The lanes that the caller names, of those that the event would go to: those that block, and the others.
struct Aimed([Lanes; 2]);

impl Aimed {
    #[inline]
    fn of(aim: Option<&Aim<'_>>, set: &LaneSet, route: Option<&Routed<'_>>) -> Option<Self> {
        let aim = aim?;
        let way = Way { set, route, aimed: None };
        Some(Self(way.lanes().map(|lanes| aim.at(lanes).collect())))
    }
}

impl Way<'_> {
    /// The event, for these lanes, and with whoever shapes it for them.
    #[inline]
    fn track(&self, event: Fresh, receipts: u32, aim: Option<&Aim<'_>>) -> Arc<Tracked> {
        let shaping = self.set.in_force.shaping.as_ref();
        let carries =
            |shaping: &&Arc<dyn Shaping>| event.of_span || self.route.is_some() && shaping.has_views();
        let shaping = shaping.filter(carries).cloned();
        let lanes = self.lanes().into_iter().flatten().map(|&lane| (lane, self.set.lanes[lane].durable()));
        event.for_lanes(
            receipts,
            self.set.lanes.len(),
            lanes,
            shaping,
            aim.and_then(|aim| aim.follow.clone()),
        )
    }

    /// Those that block, and the others.
    #[inline]
    fn lanes(&self) -> [&[usize]; 2] {
        match (self.aimed, self.route) {
            (Some(Aimed([blocking, others])), _) => [blocking, others],
            (None, Some(Routed { kept: Some([blocking, others]), .. })) => [blocking, others],
            _ => [&self.set.blocking, &self.set.others],
        }
    }

    /// Offers the event to those that do not block, and counts it for policies.
    #[inline]
    fn offer(&self, tracked: &Arc<Tracked>, after: &mut After) {
        let [_, others] = self.lanes();
        for &i in others {
            let lane = &self.set.lanes[i];
            let outcome = lane.offer(&mut lane.lock(), tracked, after);
            tracked.admitted(i, outcome);
        }
        if let Some(routed) = self.route {
            count(routed.shaping, &routed.route, &tracked.event, self.set);
        }
        if let Some(measuring) = &self.set.in_force.measuring {
            measuring.measure(&tracked.event);
        }
    }
}

/// What the policies in force decided about an event.
struct Routed<'a> {
    shaping: &'a dyn Shaping,
    route: Route<'a>,
    /// As in [`LaneSet`] the lanes that block and the others, where some of them do not get the event.
    kept: Option<[Lanes; 2]>,
}

impl<'a> Routed<'a> {
    /// `None` if policies have no say about this event.
    #[inline]
    fn of(event: &Event, set: &'a LaneSet) -> Option<Self> {
        let shaping = set.in_force.shaping.as_deref()?;
        let event = Shapable::of(event)?;
        let mut routed = Self { shaping, route: Route::new(&set.open), kept: None };
        shaping.route(event, &mut routed.route);
        if !routed.route.is_whole() {
            routed.kept = Some(kept(&routed.route, set));
        }
        Some(routed)
    }
}

/// As in [`LaneSet`] the lanes that block and the others, without those that policies keep the event out of.
#[inline(never)]
fn kept(route: &Route<'_>, set: &LaneSet) -> [Lanes; 2] {
    [&set.blocking, &set.others]
        .map(|lanes| lanes.iter().copied().filter(|&lane| route.filter(lane).is_none()).collect())
}

/// To be called once an event has entered its lanes: counts it for the policies, and in each lane that filters it.
fn count(shaping: &dyn Shaping, route: &Route<'_>, event: &Event, set: &LaneSet) {
    if !route.is_whole() {
        route.verdicts(|lanes, filter, _| {
            if let Some(filter) = filter {
                lanes.iter().for_each(|&lane| set.lanes[lane].filtered(filter));
            }
        });
    }
    if let Some(event) = Shapable::of(event) {
        shaping.routed(event, route);
    }
}

/// An error if a blocking lane could never hold the event.
fn could_enter(set: &LaneSet, blocking: &[usize], event: &Event) -> Result<()> {
    let cost = event.cost();
    for &i in blocking {
        let lane = &set.lanes[i];
        if !lane.could_fit(cost, event.terminal) {
            return Err(Error::invalid_event(format!(
                "the event counts for {cost} bytes, more than the queue of lane {:?} can ever hold; send less, or raise queue.bytes",
                lane.id()
            ))
            .at("data"));
        }
    }
    Ok(())
}

/// The shortest `block_timeout` of the lanes that have no room.
fn without_room_limit(lanes: &[Arc<Lane>], without_room: &[usize]) -> Option<Duration> {
    without_room.iter().map(|&i| lanes[i].config.block_timeout).min()
}

fn backpressure(lane: &Lane, wait: Wait, at_most: Duration) -> Error {
    let how = match wait {
        Wait::Allowed | Wait::Elsewhere(_) => {
            format!("had no room for {:?}", lane.config.block_timeout.min(at_most))
        }
        _ => "has no room, and this thread runs an event loop: use the awaitable form".to_owned(),
    };
    Error::new(ErrorKind::Backpressure, format!("the blocking lane {how}; the event is in no lane"))
        .at(lane.id())
}

/// The locks of the blocking lanes: a few, so without allocation.
#[derive(Default)]
struct Guards<'a> {
    few: [Option<MutexGuard<'a, LaneCore>>; 4],
    count: usize,
    more: Vec<MutexGuard<'a, LaneCore>>,
}

impl<'a> Guards<'a> {
    fn push(&mut self, guard: MutexGuard<'a, LaneCore>) {
        match self.few.get_mut(self.count) {
            Some(place) => *place = Some(guard),
            None => self.more.push(guard),
        }
        self.count += 1;
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut LaneCore> {
        self.few.iter_mut().flatten().chain(&mut self.more).map(|guard| &mut **guard)
    }
}
