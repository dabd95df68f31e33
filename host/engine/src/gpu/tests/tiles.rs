//! What tiles convolutions get, of which a GPU need not be there.

use crate::gpu::tiles::{Cut, Product};

#[test]
fn cubes_cover_outputs_and_channels_with_little_beyond() {
    let cut = |voxels: usize, outputs: usize, inputs: usize| Product { voxels, outputs, inputs, taps: 27 }.cut(132);
    let whole = |columns: usize, planes: usize, depth: usize| Cut { rows: 2, columns, planes, depth, ahead: false };
    assert_eq!(cut(4_587_520, 32, 32), whole(4, 8, 2));
    assert_eq!(cut(4_587_520, 64, 64), whole(8, 4, 4));
    assert_eq!(cut(4_587_520, 5, 32), whole(1, 8, 2));
    assert_eq!(cut(573_440, 96, 96), whole(6, 4, 2));
    assert_eq!(cut(573_440, 128, 8), whole(8, 4, 1));
    assert_eq!(cut(1120, 320, 320), Cut { rows: 1, columns: 8, planes: 4, depth: 4, ahead: true });
    for outputs in 1..400 {
        let Cut { columns, .. } = cut(100_000, outputs, 64);
        assert!((1..=8).contains(&columns), "{outputs} outputs: {columns}");
        assert!(outputs.next_multiple_of(8 * columns) < outputs + 8 * outputs.div_ceil(64), "{outputs} outputs: {columns}");
    }
}
