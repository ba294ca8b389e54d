//! Mining can not die, whatever happens in whatever order.

mod found;
mod model;

use std::ops::Range;
use std::time::Duration;

use jbc_chain::UnixMicros;
use jbc_jobs::listener::{Command, End, Input, Listener, MiningConfig, Network};
use jbc_jobs::peer_table::PeerTable;
use jbc_jobs::task::{
    MineTask, Mined, Origin, Outcome, Task, Tip, TipChange, ValidateTask, Validated, Verdict,
};
use proptest::prelude::*;

use crate::fakes::{NOW, SECOND, added, child, claim, first_tip, genesis, network, next, verdicts};
use model::{Fate, Judgement, Model};

/// Something that the world does to the node.
#[derive(Clone, Debug)]
enum Blow {
    Start(usize),
    Run(usize, Fate),
    Pause(usize),
    Resume(usize),
    Remove(usize),
    Stopped(usize, Fate),
    Repeat(usize, bool),
    Validate(Judgement),
    Space(Option<bool>),
    RemoveOther(&'static str),
    Poll(bool),
    Refuse(u32),
    Clock(i64),
}

/// How far the listener gets before the next blow falls.
#[derive(Clone, Copy, Debug)]
enum Pause {
    None,
    Steps(u8),
    Rest,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        1 => Just(Fate::Found),
        4 => Just(Fate::Exhausted),
        1 => Just(Fate::Stopped),
        1 => Just(Fate::StoppedSilently),
        1 => Just(Fate::StoppedWithBlock),
        1 => Just(Fate::Panicked),
    ]
}

fn judgement() -> impl Strategy<Value = Judgement> {
    prop_oneof![
        4 => Just(Judgement::NewTip),
        1 => Just(Judgement::Side),
        1 => Just(Judgement::Known),
        1 => Just(Judgement::Refused),
        1 => Just(Judgement::Full),
        1 => Just(Judgement::Panicked),
    ]
}

fn blow() -> impl Strategy<Value = Blow> {
    let lane = 0_usize..3;
    prop_oneof![
        3 => lane.clone().prop_map(Blow::Start),
        6 => (lane.clone(), fate()).prop_map(|(lane, fate)| Blow::Run(lane, fate)),
        1 => lane.clone().prop_map(Blow::Pause),
        2 => lane.clone().prop_map(Blow::Resume),
        1 => lane.prop_map(Blow::Remove),
        4 => (any::<usize>(), fate()).prop_map(|(which, fate)| Blow::Stopped(which, fate)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, kept)| Blow::Repeat(which, kept)),
        4 => judgement().prop_map(Blow::Validate),
        3 => prop::option::of(any::<bool>()).prop_map(Blow::Space),
        1 => prop::sample::select(vec!["space", "poll", "files"]).prop_map(Blow::RemoveOther),
        1 => any::<bool>().prop_map(Blow::Poll),
        1 => (1_u32..5).prop_map(Blow::Refuse),
        1 => (-20 * SECOND..20 * SECOND).prop_map(Blow::Clock),
    ]
}

fn pause() -> impl Strategy<Value = Pause> {
    prop_oneof![
        1 => Just(Pause::None),
        1 => (1_u8..4).prop_map(Pause::Steps),
        3 => Just(Pause::Rest)
    ]
}

fn strike(model: &mut Model, blow: &Blow) {
    match *blow {
        Blow::Start(lane) => model.start(lane),
        Blow::Run(lane, fate) => model.run_lane(lane, fate),
        Blow::Pause(lane) => model.pause(lane),
        Blow::Resume(lane) => model.resume(lane),
        Blow::Remove(lane) => model.remove(&jbc_jobs::task::mining_id(lane)),
        Blow::Stopped(which, fate) => model.stopped(which, fate),
        Blow::Repeat(which, kept) => model.repeat(which, kept),
        Blow::Validate(judgement) => model.validate(judgement),
        Blow::Space(free) => model.run_other("space", free.map(|free| Outcome::Room { free })),
        Blow::RemoveOther(id) => model.remove(id),
        Blow::Poll(answered) => {
            model.run_other("poll", answered.then(|| Outcome::Polled(Vec::new())));
        }
        Blow::Refuse(jobs) => model.refuse(jobs),
        Blow::Clock(micros) => model.move_clock(micros),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn mining_can_not_die(
        lanes in 0_usize..4,
        rounds in prop::option::of(1_u64..100_000),
        clock_lead in prop_oneof![Just(3_600 * SECOND), Just(-3_600 * SECOND)],
        blows in prop::collection::vec((blow(), pause()), 1..80),
    ) {
        let mut model = Model::new(lanes, rounds, clock_lead);
        for (blow, pause) in &blows {
            strike(&mut model, blow);
            match pause {
                Pause::None => {}
                Pause::Steps(count) => {
                    for _ in 0..*count {
                        model.step();
                    }
                }
                Pause::Rest => model.settle(),
            }
        }
        model.settle();
        model.check_all_armed();
    }
}

/// A listener of this many lanes that has been started, and the ranges it armed.
struct Miner {
    listener: Listener,
    now: UnixMicros,
}

impl Miner {
    fn start(lanes: usize, rounds: Option<u64>) -> (Self, Vec<MineTask>) {
        Self::start_at(first_tip(), lanes, rounds)
    }

    fn start_at(tip: Tip, lanes: usize, rounds: Option<u64>) -> (Self, Vec<MineTask>) {
        Self::start_with(tip, "data", lanes, rounds)
    }

    fn start_with(
        tip: Tip,
        data: &str,
        lanes: usize,
        rounds: Option<u64>,
    ) -> (Self, Vec<MineTask>) {
        let config = MiningConfig {
            lanes,
            rounds,
            salt: 0,
        };
        let peers = Network::new(PeerTable::new([]), "me".to_owned(), network().fingerprint());
        let listener = Listener::new(tip, next(data), config, peers, false);
        let mut miner = Self { listener, now: NOW };
        let commands = miner.listener.on(&Input::Started, NOW);
        (miner, ranges(&commands))
    }

    fn end(&mut self, range: &MineTask, end: End<'_>, elapsed: Duration) -> Vec<Command> {
        let task = Task::Mine(range.clone());
        let input = Input::Ended {
            task: &task,
            end,
            elapsed,
            kept: false,
        };
        self.listener.on(&input, self.now)
    }

    /// The range was searched in vain, in so much time; the one that follows.
    fn exhaust(&mut self, range: &MineTask, elapsed: Duration) -> MineTask {
        let outcome = searched(range);
        let commands = self.end(range, End::Done(&outcome), elapsed);
        only(ranges(&commands))
    }

    fn validated(&mut self, task: &ValidateTask, validated: Validated) -> Vec<Command> {
        let (task, outcome) = (Task::Validate(task.clone()), Outcome::Validated(validated));
        let input = Input::Ended {
            task: &task,
            end: End::Done(&outcome),
            elapsed: Duration::ZERO,
            kept: false,
        };
        self.listener.on(&input, self.now)
    }

    fn new_tip(&mut self) -> Vec<Command> {
        let block = child(&genesis(), "theirs");
        let claim = claim(1, *block.hash());
        let tip = Tip {
            index: 1,
            hash: claim.hash,
            work: claim.work,
            earliest: block.timestamp().instant().plus(1),
            ..first_tip()
        };
        let from = *genesis().hash();
        let change = TipChange {
            tip,
            block: block.clone(),
            data: "new data".to_owned(),
            entries: Default::default(),
            depth: 0,
            from,
        };
        let validated = Validated {
            tip: Some(Box::new(change)),
            ..verdicts(vec![Verdict::Best(*block.hash())])
        };
        self.validated(&posted(block), validated)
    }
}

fn posted(block: jbc_chain::Block<jbc_chain::Unchecked>) -> ValidateTask {
    let origin = Origin::Posted {
        address: [127, 0, 0, 1].into(),
        peer: None,
    };
    ValidateTask {
        blocks: vec![block],
        origin,
    }
}

fn searched(range: &MineTask) -> Outcome {
    Outcome::Mined(Mined {
        searched: range.nonces.end - range.nonces.start,
        found: None,
    })
}

fn ranges(commands: &[Command]) -> Vec<MineTask> {
    let range = |task: &Task| match task {
        Task::Mine(range) => Some(range.clone()),
        _ => None,
    };
    added(commands).into_iter().filter_map(range).collect()
}

fn validations(commands: &[Command]) -> Vec<ValidateTask> {
    let validation = |task: &Task| match task {
        Task::Validate(task) => Some(task.clone()),
        _ => None,
    };
    added(commands).into_iter().filter_map(validation).collect()
}

fn only<T: std::fmt::Debug>(mut items: Vec<T>) -> T {
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

#[test]
fn a_new_tip_replaces_every_range_at_once() {
    let (mut miner, armed) = Miner::start(3, None);
    let replaced = ranges(&miner.new_tip());
    assert_eq!(armed.len(), 3);
    assert_eq!(replaced.len(), 3);
    for range in replaced {
        assert_eq!(range.template.parts.index, 2);
        assert_eq!(range.template.parts.data, "new data");
        assert!(armed.iter().all(|old| old.ticket != range.ticket));
    }
}

#[test]
fn ranges_that_panic_back_off_and_a_good_one_ends_the_waiting() {
    let (mut miner, armed) = Miner::start(1, None);
    let mut range = only(armed);
    let mut waits = Vec::new();
    for _ in 0..40 {
        let commands = miner.end(&range, End::Failed("panicked"), Duration::ZERO);
        let delay = commands.iter().find_map(|command| match command {
            Command::Add {
                task: Task::Mine(_),
                delay,
            } => Some(*delay),
            _ => None,
        });
        waits.push(delay.unwrap());
        range = only(ranges(&commands));
    }
    assert!(waits[0] >= Duration::from_millis(50), "{waits:?}");
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
    assert!(waits[1] > waits[0]);
    assert!(
        waits[39] <= Duration::from_secs(60),
        "it must come back within a minute: {waits:?}"
    );

    let outcome = searched(&range);
    let commands = miner.end(&range, End::Done(&outcome), Duration::from_millis(1));
    assert!(commands.iter().any(|command| matches!(
        command,
        Command::Add { task: Task::Mine(_), delay } if delay.is_zero()
    )));
}

#[test]
fn a_fixed_number_of_rounds_stays_fixed() {
    let (mut miner, armed) = Miner::start(1, Some(100_000));
    let mut range = only(armed);
    for step in 0..20 {
        let start = best_nonces(&range).start + step * 100_000;
        assert_eq!(range.nonces, start..start + 100_000);
        range = miner.exhaust(&range, Duration::from_millis(7));
    }
}

/// One lane at so many nonces a second, for fifty ranges; how long the last one will take.
fn settled_range(rate: f64) -> f64 {
    let (mut miner, armed) = Miner::start(1, None);
    let mut range = only(armed);
    let seconds = |range: &MineTask| (range.nonces.end - range.nonces.start) as f64 / rate;
    for _ in 0..50 {
        range = miner.exhaust(&range, Duration::from_secs_f64(seconds(&range)));
    }
    seconds(&range)
}

#[test]
fn a_range_is_50_to_200_milliseconds_of_hashing_by_the_measured_rate() {
    for rate in [50_000.0, 700_000.0, 12_000_000.0, 3_000_000_000.0] {
        let seconds = settled_range(rate);
        assert!(
            (0.05..=0.2).contains(&seconds),
            "{seconds} s at {rate} nonces a second"
        );
    }
}

#[test]
fn ranges_follow_a_rate_that_changes() {
    let (mut miner, armed) = Miner::start(1, None);
    let mut range = only(armed);
    for rate in [10_000_000.0, 1_000_000.0] {
        let seconds = |range: &MineTask| (range.nonces.end - range.nonces.start) as f64 / rate;
        for _ in 0..50 {
            range = miner.exhaust(&range, Duration::from_secs_f64(seconds(&range)));
        }
        assert!(
            (0.05..=0.2).contains(&seconds(&range)),
            "{} s",
            seconds(&range)
        );
        let shown = miner.listener.mining().hash_rate();
        assert!(
            (0.9..=1.1).contains(&(shown / rate)),
            "{shown} instead of {rate}"
        );
    }
}

#[test]
fn a_range_stopped_early_says_how_fast_it_was_and_not_that_it_was_slow() {
    let (mut miner, armed) = Miner::start(1, None);
    let range = only(armed);
    let outcome = Outcome::Mined(Mined {
        searched: 10_000,
        found: None,
    });
    miner.end(
        &range,
        End::Cancelled(Some(&outcome)),
        Duration::from_millis(10),
    );
    let shown = miner.listener.mining().hash_rate();
    assert!((999_000.0..=1_001_000.0).contains(&shown), "{shown}");
    assert_eq!(miner.listener.mining().searched(), (10_000, 10_000));
}

#[test]
fn the_template_gets_a_fresh_timestamp_and_keeps_it_for_a_while() {
    let (mut miner, armed) = Miner::start(1, Some(1_000));
    let first = only(armed);
    assert_eq!(first.template.parts.timestamp.instant(), NOW);

    miner.now = NOW.plus(SECOND);
    let second = miner.exhaust(&first, Duration::from_millis(1));
    assert_eq!(
        second.template, first.template,
        "a new text each range would cost a midstate each"
    );
    assert_eq!(second.nonces.start, first.nonces.end);

    miner.now = NOW.plus(60 * SECOND);
    let third = miner.exhaust(&second, Duration::from_millis(1));
    assert_eq!(third.template.parts.timestamp.instant(), miner.now);
    assert_eq!(
        third.nonces.start,
        best_nonces(&third).start,
        "behind another text all nonces are new"
    );
}

/// The nonces that are searched fastest behind a range's text.
fn best_nonces(range: &MineTask) -> Range<u64> {
    jbc_pow::best_nonces(range.template.parts.prefix().len())
}

/// As a tutorial's node writes it; behind it, at heights of one digit, eight digits fill the block.
const TUTORIAL_DATA: &str = "Mined by node on port 5001";

#[test]
fn when_the_best_nonces_are_through_the_search_goes_on_behind_a_fresh_timestamp() {
    let rounds = Some(90_000_001);
    let (mut miner, armed) = Miner::start_with(first_tip(), TUTORIAL_DATA, 1, rounds);
    let mut range = only(armed);
    for step in 1..5 {
        assert_eq!(range.nonces, 10_000_000..100_000_000, "it ends with them");
        miner.now = NOW.plus(step);
        range = miner.exhaust(&range, Duration::from_millis(1));
        assert_eq!(range.template.parts.timestamp.instant(), miner.now);
    }
}

#[test]
fn behind_a_text_that_cannot_be_refreshed_the_search_goes_on_with_more_digits() {
    let mut tip = first_tip();
    tip.earliest = NOW.plus(3_600 * SECOND);
    let rounds = Some(60_000_000);
    let (mut miner, armed) = Miner::start_with(tip, TUTORIAL_DATA, 1, rounds);
    let first = only(armed);
    let second = miner.exhaust(&first, Duration::from_millis(1));
    let third = miner.exhaust(&second, Duration::from_millis(1));
    assert_eq!(second.nonces, 70_000_000..100_000_000);
    assert_eq!(third.nonces, 100_000_000..160_000_000);
    assert_eq!(third.template, first.template);
}

#[test]
fn with_a_clock_behind_the_chain_the_search_goes_on_where_it_was() {
    // RELIABILITY.md, "clock −1 h": the timestamp is then the median's, so a refreshed template is the same text, and
    // starting at nonce 0 again would search the same ten seconds of nonces for ever.
    let mut tip = first_tip();
    tip.earliest = NOW.plus(3_600 * SECOND);
    let (mut miner, armed) = Miner::start_at(tip.clone(), 1, Some(1_000));
    let mut range = only(armed);
    for step in 1..10 {
        miner.now = NOW.plus(step * 15 * SECOND);
        let next = miner.exhaust(&range, Duration::from_millis(1));
        assert_eq!(next.template.parts.timestamp.instant(), tip.earliest);
        assert_eq!(next.nonces.start, range.nonces.end);
        range = next;
    }
}

#[test]
fn nothing_is_mined_without_lanes() {
    let (mut miner, armed) = Miner::start(0, None);
    assert_eq!(armed.len(), 0);
    let commands = miner.new_tip();
    assert_eq!(ranges(&commands).len(), 0);
}
