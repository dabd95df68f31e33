//! Shapes of results.

use super::invalid;
use plugin_api::{Error, Op, Result};

/// The shape of each result.
///
/// # Errors
/// The operation does not take these shapes.
pub(crate) fn of(op: Op, inputs: &[&[usize]], ints: &[i64]) -> Result<Vec<Vec<usize>>> {
    let refused = || invalid(format!("{} does not take {inputs:?} with {ints:?}", op.name()));
    let size = |i: usize| ints.get(i).and_then(|&v| usize::try_from(v).ok()).ok_or_else(refused);
    let sizes = |from: usize| ints.get(from..).unwrap_or_default().iter().map(|&v| v as usize).collect::<Vec<_>>();
    let number = op as u32;
    if number >= 170 {
        return Ok(vec![match op {
            Op::Full => sizes(1),
            Op::Arange => vec![((ints[1] - ints[0]).max(0) as usize).div_ceil(ints[2].max(1) as usize)],
            _ => sizes(0),
        }]);
    }
    let x = *inputs.first().ok_or_else(refused)?;
    let with = |axis: usize, n: usize| {
        let mut shape = x.to_vec();
        shape.get_mut(axis).map(|old| *old = n).ok_or_else(refused)?;
        Ok::<_, Error>(shape)
    };
    Ok(vec![match op {
        Op::Where | Op::Maximum | Op::Minimum | Op::Pow => broadcast(inputs).ok_or_else(refused)?,
        _ if (40..80).contains(&number) && inputs.len() > 1 => broadcast(inputs).ok_or_else(refused)?,
        Op::Sum | Op::Mean | Op::Max | Op::Min => {
            let axes = sizes(1);
            let gone = |a: usize| axes.is_empty() || axes.contains(&a);
            let all = x.iter().enumerate();
            let shape: Vec<usize> = match ints.first() {
                Some(1) => all.map(|(a, &n)| if gone(a) { 1 } else { n }).collect(),
                _ => all.filter(|&(a, _)| !gone(a)).map(|(_, &n)| n).collect(),
            };
            if shape.is_empty() || axes.is_empty() { vec![1] } else { shape }
        }
        Op::ArgMax => with(size(0)?, 1)?,
        Op::TopK => return Ok(vec![with(size(1)?, size(0)?)?; 2]),
        Op::Reshape => reshaped(x, ints).ok_or_else(refused)?,
        Op::Permute => sizes(0).into_iter().map(|a| x.get(a).copied()).collect::<Option<_>>().ok_or_else(refused)?,
        Op::Slice => {
            let (start, end, step) = (size(1)?, size(2)?, size(3)?);
            if start >= end || step == 0 || x.get(size(0)?).is_none_or(|&n| end > n) {
                return Err(refused());
            }
            with(size(0)?, (end - start).div_ceil(step))?
        }
        Op::Concat => {
            let axis = size(0)?;
            let fits = |o: &&[usize]| o.len() == x.len() && (0..x.len()).all(|a| a == axis || o[a] == x[a]);
            if axis >= x.len() || !inputs.iter().all(fits) {
                return Err(refused());
            }
            with(axis, inputs.iter().map(|o| o[axis]).sum())?
        }
        Op::Pad => x.iter().enumerate().map(|(a, n)| Ok(n + size(1 + 2 * a)? + size(2 + 2 * a)?)).collect::<Result<_>>()?,
        Op::Expand => broadcast(&[x, &sizes(0)]).filter(|s| *s == sizes(0)).ok_or_else(refused)?,
        Op::Gather => inputs.get(1).ok_or_else(refused)?.to_vec(),
        Op::IndexSelect => with(size(0)?, inputs.get(1).and_then(|i| i.first()).copied().ok_or_else(refused)?)?,
        Op::SegmentSum => vec![x[0], x[1], size(0)?],
        Op::OneHot => with(1, size(0)?)?,
        Op::ClassSums if x.len() > 2 => vec![x[0], x[1], 4],
        Op::MatMul => matmul(x, inputs.get(1).ok_or_else(refused)?).ok_or_else(refused)?,
        _ if (140..147).contains(&number) => windows(op, inputs, ints).ok_or_else(refused)?,
        _ => x.to_vec(),
    }])
}

fn broadcast(shapes: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max()?;
    let size = |s: &[usize], a: usize| (a + s.len()).checked_sub(rank).map_or(1, |a| s[a]);
    (0..rank)
        .map(|a| {
            let n = shapes.iter().map(|s| size(s, a)).find(|&n| n != 1).unwrap_or(1);
            shapes.iter().all(|s| [1, n].contains(&size(s, a))).then_some(n)
        })
        .collect()
}

fn reshaped(x: &[usize], ints: &[i64]) -> Option<Vec<usize>> {
    let total: usize = x.iter().product();
    let known: i64 = ints.iter().filter(|&&n| n >= 0).product();
    let missing = total.checked_div(known as usize)?;
    let shape: Vec<usize> = ints.iter().map(|&n| if n < 0 { missing } else { n as usize }).collect();
    (shape.iter().product::<usize>() == total).then_some(shape)
}

fn matmul(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (n, m) = (a.len().checked_sub(2)?, b.len().checked_sub(2)?);
    (a[n + 1] == b[m]).then_some(())?;
    Some([broadcast(&[&a[..n], &b[..m]])?, vec![a[n], b[m + 1]]].concat())
}

/// (B, C) and the spatial lengths; `None` where the channels do not fit or an axis is too small.
fn windows(op: Op, inputs: &[&[usize]], ints: &[i64]) -> Option<Vec<usize>> {
    let (x, n) = (inputs[0], *ints.first()? as usize);
    (x.len() == n + 2).then_some(())?;
    let at = |part: usize, a: usize| ints[1 + part * n + a];
    let spatial = |a: usize| x[2 + a] as i64;
    let kernel = |a: usize| inputs.get(1).map_or(1, |w| w[2 + a] as i64);
    let groups = *ints.last()? as usize;
    let length = |a: usize| match op {
        Op::Conv => (spatial(a) + 2 * at(1, a) - at(2, a) * (kernel(a) - 1) - 1).div_euclid(at(0, a)) + 1,
        Op::ConvTranspose => (spatial(a) - 1) * at(0, a) - 2 * at(1, a) + at(3, a) * (kernel(a) - 1) + at(2, a) + 1,
        Op::MaxPool | Op::AvgPool => {
            let (steps, stride) = (spatial(a) + 2 * at(2, a) - at(0, a), at(1, a));
            let windows = if ints[1 + 3 * n] == 1 { (steps + stride - 1) / stride + 1 } else { steps.div_euclid(stride) + 1 };
            // the last window begins inside the image or its low padding
            if ints[1 + 3 * n] == 1 && (windows - 1) * stride >= spatial(a) + at(2, a) { windows - 1 } else { windows }
        }
        _ => at(0, a),
    };
    let channels = match (op, inputs.get(1)) {
        (Op::Conv, Some(w)) => (w.len() == n + 2 && w[1] * groups == x[1]).then_some(w[0])?,
        (Op::ConvTranspose, Some(w)) => (w.len() == n + 2 && w[0] == x[1]).then_some(w[1] * groups)?,
        _ => x[1],
    };
    let lengths = (0..n).map(|a| usize::try_from(length(a)).ok().filter(|&n| n > 0));
    [Some(x[0]), Some(channels)].into_iter().chain(lengths).collect()
}
