//! What a layer needs that shall stand on a branch of the caller's choice.

use super::facts::{Comparison, Layer, State};
use super::judge::{Judge, Landing, Status, Strategy, Verdict};
use super::old_base::{OldBase, is_of};

impl Judge<'_> {
    /// A layer that shall stand on a branch of the caller's choice, whatever it builds on.
    pub(super) fn onto_target(
        &self,
        layer: &Layer,
        parent: Option<&Layer>,
        target: &str,
    ) -> Verdict {
        let verdict = |status| Verdict::new(layer, parent, status);
        let compared = self.comparisons.get(target, &layer.head_sha);
        let begin = self.begin(layer, parent, compared.as_ref());
        let (Some(compared), Some((old_base, own, sure))) = (compared, begin) else {
            return verdict(Status::Unknown);
        };
        // A layer that was judged before this one may move first.
        let mut heads = self
            .done
            .keys()
            .filter_map(|below| self.stack.layer(*below));
        let owner = heads.find(|below| below.head == target && !below.from_fork);
        let owner = owner.map(|owner| owner.number);
        let owner_moves = owner.and_then(|number| self.done.get(&number));
        let owner_moves = owner_moves.is_some_and(Verdict::moves);
        let (own_list, counted) = self.own_counted(layer, &old_base.oid, own);
        let stands_there = compared.behind == 0 && compared.ahead == own && !owner_moves;
        let status = if !sure {
            Status::OldBaseUnknown
        } else if counted == 0 {
            Status::Empty
        } else if owner.is_some_and(|number| self.moves_later(number)) {
            Status::WaitsForParent
        } else if !stands_there {
            Status::MovesToTarget
        } else if layer.base != target || layer.state == State::Closed {
            Status::NeedsRetarget
        } else {
            Status::Ok
        };
        let moves = status == Status::MovesToTarget;
        Verdict {
            landing: Some(Landing {
                branch: target.to_owned(),
                layer: owner,
            }),
            strategy: moves.then_some(Strategy::Onto),
            old_base: (moves || !sure).then_some(old_base),
            own: sure.then_some(counted),
            own_list: own_list.filter(|_| sure),
            ahead_behind: Some((compared.ahead, compared.behind)),
            ..verdict(status)
        }
    }

    /// Where the own commits of a layer begin that leaves what it builds on: after the layer below
    /// if it has something of that, else after what its base and the target have.
    fn begin(
        &self,
        layer: &Layer,
        parent: Option<&Layer>,
        to_target: Option<&Comparison>,
    ) -> Option<(OldBase, u64, bool)> {
        if let Some(parent) = parent {
            let (old_base, own, sure) = self.old_base(layer, parent)?;
            if !sure || is_of(parent, &old_base) {
                return Some((old_base, own, sure));
            }
        }
        let tip = layer.base_tip.as_deref();
        let to_base = tip.and_then(|tip| self.comparisons.get(tip, &layer.head_sha));
        let nearest = [to_base.as_ref(), to_target].into_iter().flatten();
        let nearest = nearest.min_by_key(|found| found.ahead)?;
        let old_base = OldBase {
            oid: nearest.merge_base.clone(),
            source: "merge_base",
            certain: true,
        };
        Some((old_base, nearest.ahead, true))
    }
}
