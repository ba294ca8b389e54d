//! The times that passed while nobody looked: not all of them, only the latest.

/// How many times as many as wanted are counted before a stretch is called too long: a wide mark is hit after few
/// guesses.
const TOLERANCE: usize = 4;

/// The latest `most` of the times from `due` to `now_us`, earliest first. `due` counts as one.
///
/// `first_from` answers with the first time not before the one it is given. It is asked in the order of `most` times
/// for times at even distances, and never more than some 64 * [`TOLERANCE`] * `most`, however many have passed.
pub(crate) fn latest(
    mut first_from: impl FnMut(u64) -> Option<u64>,
    due: u64,
    now_us: u64,
    most: usize,
) -> Vec<u64> {
    let after_due = due.saturating_add(1);
    let mut best = vec![due];
    best.extend(stretch(&mut first_from, after_due, now_us, most).0);
    if best.len() <= most {
        return best;
    }
    // At even distances, a stretch as long as that of the first holds as many. From `too_early` there are too many
    // times until now, from `too_late` too few.
    let (mut too_early, mut too_late) = (due, now_us.saturating_add(1));
    let mut from = now_us - (best[most] - due).min(now_us - after_due);
    best.clear();
    while too_late - too_early > 1 {
        let (found, complete) = stretch(&mut first_from, from, now_us, most * TOLERANCE);
        if !complete {
            too_early = from;
        } else if found.len() >= most {
            return found[found.len() - most..].to_vec();
        } else {
            too_late = from;
            // A search that gives up finds fewer where there are more.
            if found.len() > best.len() {
                best = found;
            }
        }
        from = too_early + (too_late - too_early) / 2;
    }
    if best.is_empty() {
        best.push(due);
    }
    best
}

/// The times from `from` to `until`, at most `most` of them, and whether that is all.
fn stretch(
    first_from: &mut impl FnMut(u64) -> Option<u64>,
    from: u64,
    until: u64,
    most: usize,
) -> (Vec<u64>, bool) {
    let mut found = Vec::new();
    let mut next = first_from(from);
    while let Some(at) = next
        && at <= until
    {
        if found.len() == most {
            return (found, false);
        }
        found.push(at);
        next = first_from(at.saturating_add(1));
    }
    (found, true)
}
