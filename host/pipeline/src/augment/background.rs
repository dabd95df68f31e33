use super::{Sample, Stream, Transform};

/// Makes what lies outside the image (label below 0) background.
#[derive(Clone, Debug)]
pub struct Background;

impl Transform for Background {
    fn name(&self) -> &'static str {
        "background"
    }

    fn apply(&self, sample: &mut Sample, _: &mut Stream) {
        sample.seg.mapv_inplace(|label| label.max(0));
    }
}
