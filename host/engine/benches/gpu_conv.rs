//! The layers of a U-Net for patches of 2 x 128x160x112 on an NVIDIA GPU, in bf16, by tiles of several kinds: which ones `gpu/tiles.rs` should take.
//! `cargo bench --workspace --features host/cuda --bench gpu_conv -- [PART OF A LAYER'S NAME]`.

use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::std::tensor::TensorHandle;
use cubek::convolution::{AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::std::InputBinding;
use half::bf16;
use std::time::Instant;
use tiles::{Cut, Product};

#[path = "../src/gpu/tiles.rs"]
mod tiles;

const BATCH: usize = 2;
const KERNEL: usize = 3;

/// From channels to channels, on an image.
struct Layer {
    from: usize,
    to: usize,
    space: [usize; 3],
    stride: usize,
}

impl Layer {
    fn name(&self) -> String {
        let Layer { from, to, space, stride } = self;
        format!("{from}-{to} {space:?} stride {stride}")
    }

    fn outputs(&self) -> [usize; 3] {
        self.space.map(|n| n.div_ceil(self.stride))
    }

    fn voxels(&self) -> usize {
        BATCH * self.outputs().iter().product::<usize>()
    }

    fn flops(&self) -> f64 {
        2.0 * (self.voxels() * KERNEL.pow(3) * self.from * self.to) as f64
    }

    fn cuts(&self) -> Vec<Cut> {
        let tiles = self.to / 8;
        let wide = if tiles <= 8 { vec![tiles] } else { vec![8, if tiles.is_multiple_of(16) { 16 } else { 10 }] };
        let depths = if self.from < 64 { vec![2] } else { vec![2, 4] };
        let mut cuts = Vec::new();
        for columns in wide {
            for (rows, planes) in [(1, 4), (2, 4), (1, 8), (2, 8)] {
                for &depth in &depths {
                    cuts.extend([false, true].map(|ahead| Cut { rows, columns, planes, depth, ahead }));
                }
            }
        }
        cuts
    }

    fn product(&self) -> Product {
        Product { voxels: self.voxels(), outputs: self.to, inputs: self.from, taps: KERNEL.pow(3) }
    }

    fn launch(&self, client: &Client, [images, weights]: [&Handle; 2], strategy: &Strategy) -> Result<(), String> {
        let kind = bf16::elem_type_native();
        let tensor = |handle: &Handle, shape: Vec<usize>| TensorHandle::new_contiguous(shape, handle.clone(), kind);
        let ([d, h, w], [to_d, to_h, to_w]) = (self.space, self.outputs());
        let y = client.empty(self.voxels() * self.to * size_of::<bf16>());
        let inputs = ConvolutionInputs::Forward {
            input: InputBinding::new(tensor(images, vec![BATCH, d, h, w, self.from]).binding(), kind),
            weight: InputBinding::new(tensor(weights, vec![self.to, KERNEL, KERNEL, KERNEL, self.from]).binding(), kind),
            bias: None,
            out: tensor(&y, vec![BATCH, to_d, to_h, to_w, self.to]).binding(),
        };
        let args = ConvolutionArgs { stride: [self.stride; 3], padding: [KERNEL / 2; 3], dilation: [1; 3] };
        let kinds = MatmulElems::from_globals(&MatmulGlobalElems { lhs: kind, rhs: kind, out: kind });
        launch_ref::<3>(strategy, client, inputs, args, kinds).map_err(|error| format!("{error:?}"))
    }

    /// Seconds a call: the best of two rounds behind one that warms up.
    fn time(&self, client: &Client, data: [&Handle; 2], strategy: &Strategy) -> Result<f64, String> {
        let (mut best, many) = (f64::MAX, (4e11 / self.flops()).clamp(2.0, 30.0) as usize);
        for calls in [1, many, many] {
            let start = Instant::now();
            for _ in 0..calls {
                self.launch(client, data, strategy)?;
            }
            cubecl::future::block_on(client.sync()).map_err(|error| format!("{error:?}"))?;
            let seconds = start.elapsed().as_secs_f64() / calls as f64;
            best = if calls > 1 { best.min(seconds) } else { best };
        }
        Ok(best)
    }
}

/// Numbers between -0.5 and 0.5.
fn numbers(count: usize, seed: u32) -> Vec<bf16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bf16::from_f32((state >> 8) as f32 / (1 << 24) as f32 - 0.5)
    };
    (0..count).map(|_| next()).collect()
}

fn main() {
    let part = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')).unwrap_or_default();
    let layer = |from: usize, to: usize, space: [usize; 3], stride: usize| Layer { from, to, space, stride };
    let layers = [
        layer(32, 32, [128, 160, 112], 1),
        layer(64, 32, [128, 160, 112], 1),
        layer(32, 64, [128, 160, 112], 1),
        layer(32, 64, [128, 160, 112], 2),
        layer(64, 64, [64, 80, 56], 1),
        layer(128, 64, [64, 80, 56], 1),
        layer(64, 128, [64, 80, 56], 1),
        layer(128, 128, [32, 40, 28], 1),
        layer(256, 128, [32, 40, 28], 1),
        layer(256, 256, [16, 20, 14], 1),
        layer(320, 320, [8, 10, 7], 1),
        layer(320, 320, [4, 5, 4], 1),
    ];
    let client = cubecl::Device::Cuda(Default::default()).client();
    let most = |of: fn(&Layer) -> usize| layers.iter().map(of).max().unwrap_or(0);
    let images = numbers(most(|l| BATCH * l.space.iter().product::<usize>() * l.from), 7);
    let weights = numbers(most(|l| KERNEL.pow(3) * l.from * l.to), 9);
    let [images, weights] = [images, weights].map(|values| client.create_from_slice(bytemuck::cast_slice(&values)));
    for layer in layers.iter().filter(|layer| layer.name().contains(&part)) {
        let inferred = Strategy::Inferred { algorithm: ConvAlgorithm::SimpleAsyncTma, tile_kind: AcceleratedTileKind::Mma };
        let own = [("the library's own".to_owned(), inferred), ("the engine's".to_owned(), layer.product().strategy(&client))];
        let ways = layer.cuts().into_iter().map(|cut| (format!("{cut:?}"), layer.product().of_cut(cut, &client)));
        let mut times: Vec<(f64, String)> = Vec::new();
        for (name, strategy) in own.into_iter().chain(ways) {
            match layer.time(&client, [&images, &weights], &strategy) {
                Ok(seconds) => times.push((seconds, name)),
                Err(error) => println!("{} {name}: {error}", layer.name()),
            }
        }
        println!("{}", layer.name());
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (place, (seconds, name)) in times.iter().enumerate().filter(|(place, (_, name))| *place < 4 || name.starts_with("the")) {
            println!("{:>4}. {:>6.0} us {:>4.0} TFLOP/s  {name}", place + 1, seconds * 1e6, layer.flops() / seconds / 1e12);
        }
    }
}
