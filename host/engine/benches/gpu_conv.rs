//! The layers of a U-Net for patches of 2 x 128x160x112 on an NVIDIA GPU, in bf16, by tiles of several kinds: which ones `gpu/tiles.rs` should take.
//! `cargo bench --workspace --features host/cuda --bench gpu_conv -- [PART OF A LAYER'S NAME]`.

use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::std::tensor::TensorHandle;
use cubek::convolution::components::Dimensionality;
use cubek::convolution::definition::{ConvBlueprint, ForwardBlueprint};
use cubek::convolution::{AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::multi_level::GlobalPartitionSize;
use cubek::matmul::multi_level::components::global::{InputLoadFlow, LoadFlows};
use cubek::matmul::multi_level::components::stage::PartitionBuffering;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::definition::{BatchMatmulBlueprint, TilingScheme};
use cubek::matmul::multi_level::stage::{SwizzleMode, SwizzleModes};
use cubek::std::cube_count::{CubeCountStrategy, GlobalOrder, HypercubeBlueprint, SmAllocation};
use cubek::std::{InputBinding, MatrixLayout};
use half::bf16;
use std::time::Instant;

const BATCH: usize = 2;
const KERNEL: usize = 3;
/// Multiprocessors of an H100 or H200.
const MULTIPROCESSORS: u32 = 132;

/// From channels to channels, on an image.
struct Layer {
    from: usize,
    to: usize,
    space: [usize; 3],
    stride: usize,
}

/// Rows and columns of tiles that a plane keeps, planes, tiles along the channels that are copied at once, and whether some planes do nothing but copy ahead.
#[derive(Clone, Copy, Debug)]
struct Cut {
    rows: usize,
    columns: usize,
    planes: usize,
    depth: usize,
    ahead: bool,
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

    fn forced(&self, cut: Cut) -> Strategy {
        let Cut { rows, columns, planes, depth, ahead } = cut;
        let scheme = TilingScheme {
            tile_size: (16, 8, 16).into(),
            partition_size: (rows as u32, columns as u32, depth as u32).into(),
            stage_size: (planes as u32, 1, 1).into(),
            global_partition_size: GlobalPartitionSize::new(1, 1, 1),
        };
        let swizzle = if depth == 2 { SwizzleMode::B64 } else { SwizzleMode::B128 };
        let (flow, buffers) = if ahead { (InputLoadFlow::LoadOnly, 2) } else { (InputLoadFlow::MainOnly, 1) };
        let count = CubeCountStrategy::Sm { num_sms: MULTIPROCESSORS, sm_usage: SmAllocation::Exact, cubes_first: true };
        let matmul = BatchMatmulBlueprint {
            plane_dim: 32,
            tile_matmul: TileMatmulKind::Mma,
            tiling_scheme: scheme,
            swizzle_modes: SwizzleModes { lhs: swizzle, rhs: swizzle, ..SwizzleModes::default() },
            partition_buffering: if ahead { PartitionBuffering::Double } else { PartitionBuffering::Single },
            loading_precompute_strategy: Default::default(),
            reader_mode: Default::default(),
            load_flows: LoadFlows { lhs: flow, rhs: flow },
            hypercube_blueprint: HypercubeBlueprint::builder().global_order(GlobalOrder::SwizzleRow(4)).cube_count_strategy(count).build(),
            lhs_layout: MatrixLayout::RowMajor,
            rhs_layout: MatrixLayout::ColMajor,
            check_m_bounds: !self.voxels().is_multiple_of(16 * rows * planes),
            check_n_bounds: !self.to.is_multiple_of(8 * columns),
            check_k_bounds: !(KERNEL.pow(3) * self.from).is_multiple_of(16 * depth * buffers),
        };
        let forward = ForwardBlueprint { matmul, dimensionality: Dimensionality::Dim3, has_bias: false };
        let algorithm = if ahead { ConvAlgorithm::SpecializedTma } else { ConvAlgorithm::SimpleAsyncTma };
        Strategy::Forced { algorithm, blueprint: ConvBlueprint::Forward(forward) }
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
        let mut best = f64::MAX;
        for calls in [1, (4e11 / self.flops()).clamp(2.0, 30.0) as usize, (4e11 / self.flops()).clamp(2.0, 30.0) as usize] {
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
        let ways = layer.cuts().into_iter().map(|cut| (format!("{cut:?}"), layer.forced(cut)));
        let mut times: Vec<(f64, String)> = Vec::new();
        for (name, strategy) in [("the library's own".to_owned(), inferred)].into_iter().chain(ways) {
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
