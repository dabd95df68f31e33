use super::{Sample, Stream, Transform};

/// One of two transforms, each as likely; what was chosen then happens with its probability.
pub struct OneOf<A, B> {
    /// What it is called.
    pub name: &'static str,
    /// The first and its probability.
    pub first: (f64, A),
    /// The second and its probability.
    pub second: (f64, B),
}

impl<A: Transform, B: Transform> Transform for OneOf<A, B> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let (probability, chosen): (f64, &dyn Transform) = match rng.chance(0.5) {
            true => (self.first.0, &self.first.1),
            false => (self.second.0, &self.second.1),
        };
        if rng.chance(probability) {
            chosen.apply(sample, rng);
        }
    }
}
