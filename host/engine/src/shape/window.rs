//! Operations whose windows run over the spatial axes: convolution, pooling, resizing.

use super::{
    Info,
    check::{Call, count, text},
};
use plugin_api::{DType, Result};

/// The number of spatial axes, which the first integer states.
fn dims(c: &Call<'_>) -> Result<usize> {
    match c.ints.first() {
        Some(&n @ 1..=3) => Ok(n as usize),
        Some(n) => Err(c.error(format!("{n} spatial axes, wanted 1 to 3"))),
        None => Err(c.error("takes the number of spatial axes first, got no integers")),
    }
}

/// A Float (B, C, spatial...) with n spatial axes.
fn image<'a>(c: &Call<'_>, x: &'a Info, n: usize) -> Result<(usize, usize, &'a [usize])> {
    c.typed(x, "input", &[DType::Float])?;
    let (b, channels, spatial) = c.spatial(x, "input")?;
    if spatial.len() != n {
        let axes = count(spatial.len(), "spatial axis", "spatial axes");
        return Err(c.error(format!("input {} has {axes}, the integers are for {n}", text(&x.shape))));
    }
    Ok((b, channels, spatial))
}

/// x, weight and perhaps a bias, with the weight's kernel.
struct Parts<'a> {
    x: &'a Info,
    weight: &'a Info,
    bias: Option<&'a Info>,
    batch: usize,
    channels: usize,
    spatial: &'a [usize],
    kernel: &'a [usize],
}

fn parts<'a>(c: &Call<'a>, n: usize) -> Result<Parts<'a>> {
    let (x, weight, bias) = match c.inputs {
        [x, weight] => (x, weight, None),
        [x, weight, bias] => (x, weight, Some(bias)),
        _ => return Err(c.error(format!("takes 2 or 3 tensors, got {}", c.inputs.len()))),
    };
    c.floats::<0>()?;
    let (batch, channels, spatial) = image(c, x, n)?;
    c.typed(weight, "weight", &[DType::Float])?;
    if weight.shape.len() != n + 2 {
        return Err(c.error(format!("weight {} has {} axes, wanted {}", text(&weight.shape), weight.shape.len(), n + 2)));
    }
    Ok(Parts { x, weight, bias, batch, channels, spatial, kernel: &weight.shape[2..] })
}

impl Parts<'_> {
    fn bias(&self, c: &Call<'_>, output: usize) -> Result<()> {
        let Some(bias) = self.bias else { return Ok(()) };
        c.typed(bias, "bias", &[DType::Float])?;
        c.shaped(bias, "bias", &[output])
    }

    fn channels_differ(&self, c: &Call<'_>, groups: usize, wanted: usize) -> plugin_api::Error {
        c.error(format!(
            "input {} has {}, weight {} with {} wants {wanted}",
            text(&self.x.shape),
            count(self.channels, "channel", "channels"),
            text(&self.weight.shape),
            count(groups, "group", "groups")
        ))
    }

    /// A result, or the axis whose length comes out below 1.
    fn result(&self, c: &Call<'_>, output: usize, lengths: Vec<i128>) -> Result<Info> {
        sized(c, self.x, vec![self.batch, output], lengths, || format!("for weight {}", text(&self.weight.shape)))
    }
}

/// (B, C) and the spatial lengths as a shape.
fn sized(c: &Call<'_>, x: &Info, mut shape: Vec<usize>, lengths: Vec<i128>, what: impl Fn() -> String) -> Result<Info> {
    for (axis, n) in lengths.into_iter().enumerate() {
        let n = usize::try_from(n).ok().filter(|&n| n > 0);
        let too_small = || c.error(format!("input {} is too small at axis {} {}", text(&x.shape), axis + 2, what()));
        shape.push(n.ok_or_else(too_small)?);
    }
    c.result(shape, DType::Float)
}

/// Stride, padding and so on: `fields` lists of n integers after the first, each with its least value.
fn lists<'a, const F: usize>(c: &Call<'a>, n: usize, extra: usize, fields: [(&str, usize); F]) -> Result<[&'a [i64]; F]> {
    c.int_count(1 + F * n + extra)?;
    let mut out = [&c.ints[..0]; F];
    for (i, (what, least)) in fields.into_iter().enumerate() {
        out[i] = &c.ints[1 + i * n..1 + (i + 1) * n];
        c.sizes(out[i], least, what)?;
    }
    Ok(out)
}

/// `floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`
pub(super) fn conv(c: &Call<'_>) -> Result<Info> {
    let n = dims(c)?;
    let p = parts(c, n)?;
    let [stride, padding, dilation] = lists(c, n, 1, [("stride", 1), ("padding", 0), ("dilation", 1)])?;
    let groups = c.size(c.ints[3 * n + 1], 1, "groups")?;
    let (output, input) = (p.weight.shape[0], p.weight.shape[1]);
    if input.checked_mul(groups) != Some(p.channels) {
        return Err(p.channels_differ(c, groups, input.saturating_mul(groups)));
    }
    if output % groups != 0 {
        return Err(c.error(format!("weight {} has {output} outputs, which {groups} groups do not divide", text(&p.weight.shape))));
    }
    p.bias(c, output)?;
    let length = |i: usize| {
        let reach = wide(dilation[i]) * (p.kernel[i] as i128 - 1) + 1;
        (p.spatial[i] as i128 + 2 * wide(padding[i]) - reach).div_euclid(wide(stride[i])) + 1
    };
    p.result(c, output, (0..n).map(length).collect())
}

/// `(size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`
pub(super) fn conv_transpose(c: &Call<'_>) -> Result<Info> {
    let n = dims(c)?;
    let p = parts(c, n)?;
    let [stride, padding, more, dilation] = lists(c, n, 1, [("stride", 1), ("padding", 0), ("output padding", 0), ("dilation", 1)])?;
    let groups = c.size(c.ints[4 * n + 1], 1, "groups")?;
    let (input, output) = (p.weight.shape[0], p.weight.shape[1]);
    if input != p.channels {
        return Err(p.channels_differ(c, groups, input));
    }
    if input % groups != 0 {
        return Err(c.error(format!("input {} has {input} channels, which {groups} groups do not divide", text(&p.x.shape))));
    }
    if let Some(i) = (0..n).find(|&i| more[i] >= stride[i].max(dilation[i])) {
        return Err(c.error(format!("output padding {} at axis {} must be below stride {} or dilation {}", more[i], i + 2, stride[i], dilation[i])));
    }
    let output = output.saturating_mul(groups);
    p.bias(c, output)?;
    let length = |i: usize| {
        let reach = wide(dilation[i]) * (p.kernel[i] as i128 - 1) + 1;
        (p.spatial[i] as i128 - 1) * wide(stride[i]) - 2 * wide(padding[i]) + reach + wide(more[i])
    };
    p.result(c, output, (0..n).map(length).collect())
}

/// Products of two integers of a call fit in this.
fn wide(v: i64) -> i128 {
    i128::from(v)
}

/// As conv without dilation; with `ceil` rounded up, but each window starts inside the input or its low padding (PyTorch's rule).
/// `flags` counts the flags after `ceil`.
pub(super) fn pool(c: &Call<'_>, flags: usize) -> Result<Info> {
    let n = dims(c)?;
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    let (b, channels, spatial) = image(c, x, n)?;
    let [kernel, stride, padding] = lists(c, n, 1 + flags, [("kernel", 1), ("stride", 1), ("padding", 0)])?;
    let ceil = c.flag(c.ints[3 * n + 1], "ceil")?;
    if flags == 1 {
        c.flag(c.ints[3 * n + 2], "count padding")?;
    }
    if let Some(i) = (0..n).find(|&i| padding[i] > kernel[i] / 2) {
        return Err(c.error(format!("padding {} at axis {} is more than half the kernel {}", padding[i], i + 2, kernel[i])));
    }
    let length = |i: usize| {
        let (size, stride, padding) = (spatial[i] as i128, wide(stride[i]), wide(padding[i]));
        let steps = size + 2 * padding - wide(kernel[i]);
        if steps < 0 {
            return 0;
        }
        let windows = if ceil { (steps + stride - 1) / stride + 1 } else { steps / stride + 1 };
        if ceil && (windows - 1) * stride >= size + padding { windows - 1 } else { windows }
    };
    let lengths = (0..n).map(length).collect();
    sized(c, x, vec![b, channels], lengths, || format!("for kernel {kernel:?}"))
}

/// Ints `[n, size[..n], ...]`: the sizes.
fn target(c: &Call<'_>, extra: usize) -> Result<(Info, usize)> {
    let n = dims(c)?;
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    let (b, channels, _) = image(c, x, n)?;
    let [size] = lists(c, n, extra, [("size", 1)])?;
    let lengths = size.iter().map(|&s| wide(s)).collect();
    Ok((sized(c, x, vec![b, channels], lengths, String::new)?, n))
}

pub(super) fn adaptive_pool(c: &Call<'_>) -> Result<Info> {
    Ok(target(c, 0)?.0)
}

pub(super) fn resize(c: &Call<'_>) -> Result<Info> {
    let (out, n) = target(c, 2)?;
    let mode = c.ints[n + 1];
    if !(0..=2).contains(&mode) {
        return Err(c.error(format!("mode {mode} does not exist; wanted 0 (nearest), 1 (nearest exact) or 2 (linear)")));
    }
    if c.flag(c.ints[n + 2], "align corners")? && mode != 2 {
        return Err(c.error("corners are aligned in linear mode only"));
    }
    Ok(out)
}
