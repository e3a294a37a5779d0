//! Chance from a seed: the same on every machine, for ever.

use uuid::Uuid;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    /// The chances of one seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The chances of one step of a history. They do not depend on other steps, so that a failing
    /// history can be shrunk by leaving steps out.
    pub fn of_step(seed: u64, step: u32) -> Self {
        let mut random = Self(seed ^ 0x5155_4945_5453_494d);
        let mixed = random.next() ^ u64::from(step).wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(mixed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 when there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in so many cases of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// One of several that are known to be there.
    pub fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.below(N)]
    }

    /// One of several, each as often as its weight says.
    pub fn weighted<T: Copy, const N: usize>(&mut self, from: [(usize, T); N]) -> T {
        let mut at = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in from {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return value,
            }
        }
        from[0].1
    }

    /// An id of version 7 in looks.
    pub fn uuid(&mut self) -> Uuid {
        let (high, low) = (self.next(), self.next());
        let high = high & !0xf000 | 0x7000;
        Uuid::from_u64_pair(high, low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000)
    }
}
